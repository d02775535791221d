# Random calls against a model of the standard: a client of the module.
TEST_TOOLS += $(BUILD)/tests/model/model

$(BUILD)/tests/model/%.o: tests/model/%.c $(wildcard tests/model/*.h)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/model/model: $(addprefix $(BUILD)/tests/model/,model.o world.o world_op.o threads.o)
	$(SAY) LD $@
	$(Q)$(CC) -o $@ $^ $(HARDEN_LD) -pthread $(CRYPTO_LIBS)

## make check-model   random calls against the model for 10 minutes (MODEL_SECONDS=)
.PHONY: check-model
check-model: all test-tools
	@BUILD="$(BUILD)" MODEL_SECONDS=$(or $(MODEL_SECONDS),600) TEST_TIMEOUT=14400 tests/run tests/test_model.sh
