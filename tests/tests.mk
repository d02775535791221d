# The test targets, kept beside the tests. The two that a fresh machine begins with, check and demo, install
# what is missing first; make then starts anew, since pkg-config may not have been there before.

TEST_TOOLS = $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(wildcard tests/tools/*.c))
include tests/cross/cross.mk
include tests/model/model.mk
include tests/attacks/attacks.mk
include tests/valgrind/valgrind.mk

.PHONY: test-tools
test-tools: $(TEST_TOOLS)

# Clients load the module as any application does; tamper and tables alone look inside.
$(BUILD)/tests/tools/tamper: TOOL_OBJECTS = $(VOCABULARY_O) $(STORE_O)
$(BUILD)/tests/tools/tamper: TOOL_LIBS = $(CRYPTO_LIBS) $(SQLITE_LIBS)
$(BUILD)/tests/tools/tamper: $(VOCABULARY_O) $(STORE_O)
$(BUILD)/tests/tools/timing: TOOL_LIBS = -lm
$(BUILD)/tests/tools/tables: TOOL_OBJECTS = $(VOCABULARY_O) $(STORE_O)
$(BUILD)/tests/tools/tables: TOOL_LIBS = $(CRYPTO_LIBS) $(SQLITE_LIBS)
$(BUILD)/tests/tools/tables: $(VOCABULARY_O) $(STORE_O)

## make docs          the tables of docs/PKCS11.md, anew from the code
.PHONY: docs
docs: $(BUILD)/tests/tools/tables
	$(Q)scripts/pkcs11-tables $(BUILD)/tests/tools/tables

$(BUILD)/tests/tools/%: tests/tools/%.c $(wildcard tests/tools/*.h)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -o $@ $< $(TOOL_OBJECTS) $(HARDEN_LD) -pthread $(TOOL_LIBS)

## make check         build, install missing packages, run every test; ends with `N passed, N failed`
.PHONY: check
check:
	@scripts/deps
	@$(MAKE) --no-print-directory -j$$(nproc) check-built

.PHONY: check-built
check-built: all unit-tests test-tools fuzz-build
	@BUILD="$(BUILD)" tests/run $(TESTS)

## make demo          the whole story in a scratch folder, with a line on what each step shows
.PHONY: demo
demo:
	@scripts/deps
	@$(MAKE) --no-print-directory all
	@BUILD="$(BUILD)" scripts/demo

## make check-asan    the tests under address and undefined-behaviour sanitizers
.PHONY: check-asan
check-asan:
	@scripts/deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined sanitized \
		SANITIZER_LIBRARY=libasan.so TESTS="$(TESTS)"

# Where several threads and clients meet.
TSAN_TESTS = test_job test_rpc test_rpc_threads test_vault test_concurrency test_stream test_channel tests/test_process.sh

## make check-tsan    the multi-client tests under the thread sanitizer
.PHONY: check-tsan
check-tsan:
	@scripts/deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE=thread sanitized \
		SANITIZER_LIBRARY=libtsan.so TESTS="$(or $(TESTS),$(TSAN_TESTS))"

# The sanitizers stop at the first report. What they find at exit (leaks) they look for by ptrace, which a
# daemon that is not dumpable refuses.
.PHONY: sanitized
sanitized: all unit-tests test-tools
	@BUILD="$(BUILD)" TOKENFS_SANITIZE=$(SANITIZE) \
		TOKENFS_PRELOAD="$$($(CC) -print-file-name=$(SANITIZER_LIBRARY))" \
		ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
		TSAN_OPTIONS=halt_on_error=1 TEST_TIMEOUT=1800 tests/run $(TESTS)

# The campaigns are the same files again and again, each time with a new vault: what a round costs grows with
# all that was written before it.
# $(call rounds,HOW MANY,A ROUND,VARIABLE,FILE)
rounds = n=0; while [ $$n -lt $(1) ]; do n=$$((n + $(2))); echo "$(3): $$n of $(1)"; \
	BUILD="$(BUILD)" $(3)=$(2) TEST_TIMEOUT=7200 tests/run $(4) || exit 1; done

## make check-backup  200 copies of a vault in use, each opened and checked
.PHONY: check-backup
check-backup: all test-tools
	@$(call rounds,$(or $(COUNT),200),20,BACKUP_COPIES,tests/test_backup.sh)

## make check-crash   1,000 times kill -9 under four writers, 200 power cuts (as root)
.PHONY: check-crash
check-crash: all test-tools
	@$(call rounds,$(or $(COUNT),1000),50,CRASH_CYCLES,tests/test_crash.sh)
	@$(call rounds,$(or $(COUNT),200),20,POWER_CUTS,tests/test_powercut.sh)

## make check-timing  does C_Decrypt tell by its time whether the padding was right? (COUNT=4000 of each)
.PHONY: check-timing
check-timing: all $(BUILD)/tests/tools/timing
	@BUILD="$(BUILD)" tests/timing $(COUNT)

## make check-debian13   the tests in a Debian 13 tree made by debootstrap (as root; DEBIAN13_TREE says where)
.PHONY: check-debian13
check-debian13:
	@scripts/debian13 check $(if $(TESTS),TESTS="$(TESTS)")

# ---- fuzzers: clang, in a build folder of their own ----
FUZZ_SECONDS ?= 60
FUZZ_BUILD = $(BUILD)/fuzz

.PHONY: fuzz-build
fuzz-build:
	@$(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CC=clang SANITIZE=address,undefined \
		OPT='-O1 -g -fsanitize=fuzzer-no-link' fuzzers

## make fuzz          every fuzz target for FUZZ_SECONDS (60)
.PHONY: fuzz
fuzz: fuzz-build
	@BUILD="$(BUILD)" FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz

# A fuzzer stands where the kernel or the disk would: it needs no mount and no tree.
FUZZED_O = $(VOCABULARY_O) $(STORE_O) $(filter-out %/tree.o %/node_dir.o %/node_text.o %/node_object.o,$(DAEMON_O))

include tests/fuzz/fuzz_api.mk

.PHONY: fuzzers
fuzzers: $(FUZZERS:%=$(BUILD)/%)

$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard tests/unit/*.h) $(FUZZED_O)
	$(SAY) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -I. -o $@ $< $(filter %.o,$^) $(HARDEN_LD) -fsanitize=fuzzer -pthread \
		$(CRYPTO_LIBS) $(SQLITE_LIBS) $(JSON_LIBS)

