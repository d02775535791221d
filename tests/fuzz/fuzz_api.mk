# The module and the daemon in one process: the module's way to its daemon is replaced by a loop.
$(BUILD)/fuzz_api: $(MODULE_O) tests/fuzz/api_loop.h tests/fuzz/api_args.h
$(BUILD)/fuzz_api: HARDEN_LD += -Wl,--wrap=channel_open

# Inputs to begin with, where the runs keep theirs: what a client does, for every mechanism.
fuzzers: $(BUILD)/corpus/fuzz_api/seed-0
$(BUILD)/corpus/fuzz_api/seed-0: $(BUILD)/fuzz_api
	@mkdir -p $(@D)
	$(Q)TOKENFS_FUZZ_SEEDS=$(@D) $< > /dev/null 2>&1
