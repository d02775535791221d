## make check-valgrind unit tests and a client under memcheck
.PHONY: check-valgrind
check-valgrind: all unit-tests test-tools
	@BUILD="$(BUILD)" tests/valgrind/run $(TESTS)
