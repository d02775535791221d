# The attacks: a PKCS#11 application of its own, linked with OpenSSL as the judge and with nothing of ours.

ATTACKS = attack client templ key own proof steps \
	separation import wrapping unwrapping derive kdf schedule oracle attribute usage nonce v3 remains groups apart combined login
ATTACK_O = $(ATTACKS:%=$(BUILD)/obj/tests/attacks/%.o)

$(BUILD)/tests/attack: $(ATTACK_O)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(HARDEN_LD) -pthread -o $@ $^ -ldl $(CRYPTO_LIBS)

TEST_TOOLS += $(BUILD)/tests/attack

## make check-attacks the published attacks on the API: tokenfs strict and compat, and SoftHSM, in full tables
.PHONY: check-attacks
check-attacks: all $(BUILD)/tests/attack
	@BUILD="$(BUILD)" tests/attacks/run
