# The proofs of mechanisms: a client of the module and plain OpenSSL, nothing of store/.
CROSS = cross kit keys use limits known oracle proof_hash proof_cipher proof_rsa proof_ec proof_make proof_derive proof_kdf \
	proof_dsa proof_pq
TEST_TOOLS += $(BUILD)/tests/cross/cross

$(BUILD)/tests/cross/%.o: tests/cross/%.c $(wildcard tests/cross/*.h) pkcs11/ck.h pkcs11/ck3.h
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/cross/cross: $(CROSS:%=$(BUILD)/tests/cross/%.o)
	$(SAY) LD $@
	$(Q)$(CC) -o $@ $^ $(HARDEN_LD) -pthread $(CRYPTO_LIBS)
