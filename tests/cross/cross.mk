# The proofs of mechanisms: a client of the module and plain OpenSSL, nothing of store/.
CROSS = cross kit keys use use_sign limits oracle pkey pkey_rsa \
	known known_names known_secret known_key known_pair known_kdf known_derive \
	proof_hash proof_sha512_t proof_cipher proof_rsa proof_ec proof_make proof_derive proof_kdf proof_sp800_108 proof_tls \
	proof_otp proof_dsa proof_pq message proof_message proof_nonce proof_seal proof_kem
TEST_TOOLS += $(BUILD)/tests/cross/cross

$(BUILD)/tests/cross/%.o: tests/cross/%.c $(wildcard tests/cross/*.h) pkcs11/ck.h pkcs11/ck3.h
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/cross/cross: $(CROSS:%=$(BUILD)/tests/cross/%.o)
	$(SAY) LD $@
	$(Q)$(CC) -o $@ $^ $(HARDEN_LD) -pthread $(CRYPTO_LIBS)
