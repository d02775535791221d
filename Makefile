# tokenfs: `make help` lists what there is to make.
#
# The object lists are the architecture: pkcs11/ (vocabulary, module), store/, fs/. A unit test links
# only the objects it names, so that a wrong dependency is a link error.

PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
PKG_CONFIG ?= pkg-config
BUILD ?= build
VERSION := 0.1.0

# ---- lists -------------------------------------------------------------------------------------
VOCABULARY = buf names names_table attr attr_code param param_layout param_decode param_out wire answer codec codec_put codec_get codec_param otp conf
MODULE     = channel ride search lock peer start text spare wake module interface call call_slot call_session call_object \
             call_crypto call_message call_verify call_key call_wrap call_encap
STORE      = why secret secret_arena kdf file seal header pin live journal journal_read cache sealed scan find commit token token_load login init vault vault_key check make make_spend make_derive make_wrap make_encap ledger builtin \
             db state state_index state_find object rules rules_finish rules_table policy \
             der curve mech mech_hash mech_mac mech_otp mech_secret mech_rsa mech_rsa_reject mech_rsa_key mech_ec mech_dh mech_dsa mech_pq_key mech_ml_kem mech_ml_dsa mech_encap \
             mech_derive mech_ecdh mech_prf mech_kdf_hash mech_hkdf mech_pbkd2 mech_sp800_108 mech_tls mech_tls_mac \
             mech_concat mech_encrypt_data mech_public mech_kwp mech_rsa_aes_wrap mech_ecdh_aes_wrap mech_aes mech_block mech_aead mech_aead_param mech_chacha mech_des mech_blake2 mech_sha512_t mech_cbc_mac mech_legacy mech_aes_wrap mech_wrap key key_rsa key_ec key_ffc key_pq key_der key_export op op_flow op_message op_nonce op_state
DAEMON     = daemon audit app handles session session_object login unlock rpc rpc_slot rpc_session \
             rpc_object rpc_use rpc_spend rpc_crypto rpc_message rpc_verify rpc_ride rpc_key rpc_wrap rpc_encap rpc_control rpc_report \
             tree node_dir node_text node_object
MOUNT      = log mount place pidfile supervise ops ops_text ops_dir door conn conn_call caller stream job watch harden
COMMAND    = main cmd cmd_options cmd_help cmd_error cmd_util cmd_init cmd_mount cmd_token cmd_unlock \
             cmd_check cmd_key cmd_audit cmd_status pass client select progress

UNIT_TESTS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZERS    = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

# ---- flags -------------------------------------------------------------------------------------
CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DTOKENFS_VERSION='"$(VERSION)"' \
	$(shell $(PKG_CONFIG) --cflags p11-kit-1 2>/dev/null)
OPT      ?= -O2 -g
WARN     = -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wformat=2 -Wvla -Wno-missing-field-initializers
ifneq ($(SANITIZE),)
HARDEN   = -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
HARDEN_LD = -fsanitize=$(SANITIZE)
else
HARDEN   = -fstack-protector-strong -fstack-clash-protection -fcf-protection -D_FORTIFY_SOURCE=2
HARDEN_LD = -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs
endif
ALL_CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) -fPIC -fvisibility=hidden -pthread $(CFLAGS)
FUSE_CFLAGS := $(shell $(PKG_CONFIG) --cflags fuse3 2>/dev/null)
CRYPTO_LIBS := $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null)
SQLITE_LIBS := $(shell $(PKG_CONFIG) --libs sqlite3 2>/dev/null)
FUSE_LIBS   := $(shell $(PKG_CONFIG) --libs fuse3 2>/dev/null)
SECCOMP_LIBS := $(shell $(PKG_CONFIG) --libs libseccomp 2>/dev/null)
JSON_LIBS   := $(shell $(PKG_CONFIG) --libs json-c 2>/dev/null)
LIBS        = $(FUSE_LIBS) $(CRYPTO_LIBS) $(SQLITE_LIBS) $(SECCOMP_LIBS) $(JSON_LIBS)

VOCABULARY_O = $(VOCABULARY:%=$(BUILD)/obj/pkcs11/%.o)
MODULE_O     = $(MODULE:%=$(BUILD)/obj/pkcs11/%.o)
STORE_O      = $(STORE:%=$(BUILD)/obj/store/%.o)
DAEMON_O     = $(DAEMON:%=$(BUILD)/obj/fs/%.o)
MOUNT_O      = $(MOUNT:%=$(BUILD)/obj/fs/%.o)
COMMAND_O    = $(COMMAND:%=$(BUILD)/obj/fs/%.o)

# `make V=1` shows the commands.
Q   = $(if $(V),,@)
SAY = @$(if $(V),:,echo " ")

# ---- products ----------------------------------------------------------------------------------
.PHONY: all
all: $(BUILD)/tokenfs $(BUILD)/tokenfs-pkcs11.so

$(BUILD)/tokenfs: $(VOCABULARY_O) $(STORE_O) $(DAEMON_O) $(MOUNT_O) $(COMMAND_O)
	$(SAY) LD $@
	$(Q)$(CC) -pie $(HARDEN_LD) -pthread $(LDFLAGS) -o $@ $^ $(LIBS)

# The module links libc and nothing else: no key, no OpenSSL, no SQLite in the application. Its function lists hold
# its own functions (-Bsymbolic), also where the program has those of another module in its global scope.
$(BUILD)/tokenfs-pkcs11.so: $(VOCABULARY_O) $(MODULE_O) pkcs11/module.map
	$(SAY) LD $@
	$(Q)$(CC) -shared $(HARDEN_LD) -pthread -Wl,--version-script=pkcs11/module.map \
		-Wl,-soname,tokenfs-pkcs11.so -Wl,-Bsymbolic $(LDFLAGS) -o $@ $(filter %.o,$^)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(FUSE_CFLAGS_$(*F)) -MMD -MP -c -o $@ $<

# FUSE headers are seen by the files that mount and answer, by no other.
FUSE_CFLAGS_mount = $(FUSE_CFLAGS)
FUSE_CFLAGS_ops = $(FUSE_CFLAGS)
FUSE_CFLAGS_ops_text = $(FUSE_CFLAGS)
FUSE_CFLAGS_ops_dir = $(FUSE_CFLAGS)
FUSE_CFLAGS_conn = $(FUSE_CFLAGS)
FUSE_CFLAGS_conn_call = $(FUSE_CFLAGS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- unit tests --------------------------------------------------------------------------------
# Objects of each unit test, by its name; the vocabulary is always there.
include tests/unit/objects.mk

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS:%=$(BUILD)/tests/%)

.SECONDEXPANSION:
$(BUILD)/tests/test_%: tests/unit/test_%.c tests/unit/unit.h $(VOCABULARY_O) \
		$$(foreach o,$$(OBJECTS_test_$$*),$(BUILD)/obj/$$(o).o)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -I. -MMD -MP -MF $@.d -o $@ $< $(filter %.o,$^) \
		$(HARDEN_LD) -pthread $(LIBS_test_$*)

-include $(wildcard $(BUILD)/tests/*.d)

# ---- everything else ---------------------------------------------------------------------------
include tests/tests.mk
include tests/bench/bench.mk

.PHONY: install uninstall clean help
install: all
	scripts/install install "$(BUILD)" "$(DESTDIR)" "$(PREFIX)"

uninstall:
	scripts/install uninstall "$(BUILD)" "$(DESTDIR)" "$(PREFIX)"

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make               build build/tokenfs and build/tokenfs-pkcs11.so
## make install       install them with man pages and completions (PREFIX=/usr/local DESTDIR=)
## make uninstall     remove what install put there
## make clean         remove build/
