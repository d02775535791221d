# The bench: programs that time, rows that say what is timed and what it should reach.

BENCH_OUT = $(BUILD)/bench
BENCH_P11 = bench_p11 works client keys lane
BENCH_RAW = bench_raw lane

$(BENCH_OUT)/bench_p11: $(BENCH_P11:%=$(BUILD)/obj/tests/bench/%.o)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(HARDEN_LD) -pthread -o $@ $^ -ldl

$(BENCH_OUT)/bench_raw: $(BENCH_RAW:%=$(BUILD)/obj/tests/bench/%.o)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(HARDEN_LD) -pthread -o $@ $^ $(CRYPTO_LIBS)

.PHONY: bench bench-programs
bench-programs: $(BENCH_OUT)/bench_p11 $(BENCH_OUT)/bench_raw

bench: all bench-programs
	BUILD="$(BUILD)" tests/bench/run $(if $(BENCH_JSON),--json)

## make bench         compare with SoftHSM and raw OpenSSL (BENCH_ROUNDS=5, BENCH_QUICK=1, BENCH_JSON=1)
