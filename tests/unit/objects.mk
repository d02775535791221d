# OBJECTS_<test> = objects it links beside the vocabulary; LIBS_<test> = libraries.
OBJECTS_test_secret = store/secret store/secret_arena store/why
LIBS_test_secret = $(CRYPTO_LIBS)
OBJECTS_test_state = store/state store/state_index store/state_find store/db store/secret store/secret_arena store/why
LIBS_test_state = $(CRYPTO_LIBS) $(SQLITE_LIBS)
OBJECTS_test_handles = fs/handles
OBJECTS_test_rpc = $(STORE:%=store/%) $(addprefix fs/,$(filter-out tree node_%,$(DAEMON)))
LIBS_test_rpc = $(CRYPTO_LIBS) $(SQLITE_LIBS) $(JSON_LIBS)
OBJECTS_test_rpc_ride = $(OBJECTS_test_rpc)
LIBS_test_rpc_ride = $(LIBS_test_rpc)
OBJECTS_test_rpc_derive = $(OBJECTS_test_rpc)
LIBS_test_rpc_derive = $(LIBS_test_rpc)
$(foreach t,login bounds rpc_modern rpc_object rpc_crypto rpc_threads,$(eval OBJECTS_test_$(t) = $(OBJECTS_test_rpc)))
$(foreach t,login bounds rpc_modern rpc_object rpc_crypto rpc_threads,$(eval LIBS_test_$(t) = $(LIBS_test_rpc)))

OBJECTS_test_channel = $(addprefix pkcs11/,channel lock peer ride search wake)
OBJECTS_test_ride = $(OBJECTS_test_channel)
OBJECTS_test_module = $(MODULE:%=pkcs11/%)
OBJECTS_test_confused = $(addprefix pkcs11/,$(filter-out channel,$(MODULE)))
OBJECTS_test_pass = fs/pass store/secret store/secret_arena store/why
LIBS_test_pass = $(CRYPTO_LIBS) -lutil
VAULT_OBJECTS = $(STORE:%=store/%)
OBJECTS_test_vault = $(VAULT_OBJECTS)
LIBS_test_vault = $(CRYPTO_LIBS) $(SQLITE_LIBS)
$(foreach t,faults tamper journal seal live file concurrency,$(eval OBJECTS_test_$(t) = $(VAULT_OBJECTS)))
$(foreach t,tamper journal seal live file concurrency,$(eval LIBS_test_$(t) = $(CRYPTO_LIBS) $(SQLITE_LIBS)))
# The functions that test_faults makes fail.
LIBS_test_faults = $(CRYPTO_LIBS) $(SQLITE_LIBS) $(addprefix -Wl$(COMMA)--wrap=,fsync fdatasync linkat renameat unlinkat \
	mkdirat utimensat ftruncate64 fstat64 fstatat64 pread64 pwrite64 syscall sqlite3_step)
COMMA = ,
OBJECTS_test_job = fs/job
OBJECTS_test_stream = fs/stream
RULES_OBJECTS = $(addprefix store/,$(filter object rules% policy why secret% der curve mech% key% op%,$(STORE)))
OBJECTS_test_object = $(RULES_OBJECTS)
LIBS_test_object = $(CRYPTO_LIBS)
OBJECTS_test_rules = $(RULES_OBJECTS)
LIBS_test_rules = $(CRYPTO_LIBS)
OBJECTS_test_finish = $(RULES_OBJECTS)
LIBS_test_finish = $(CRYPTO_LIBS)
OBJECTS_test_policy = $(RULES_OBJECTS)
LIBS_test_policy = $(CRYPTO_LIBS)
OBJECTS_test_make = $(RULES_OBJECTS) store/make store/make_derive store/make_wrap store/ledger
LIBS_test_make = $(CRYPTO_LIBS)
$(foreach t,make_wrap kdf hkdf sp800_108 agree pbkd2 tls two_step_wrap sha512_t,$(eval OBJECTS_test_$(t) = $(OBJECTS_test_make)))
$(foreach t,make_wrap kdf hkdf sp800_108 agree pbkd2 tls two_step_wrap sha512_t,$(eval LIBS_test_$(t) = $(CRYPTO_LIBS)))
OBJECTS_test_tree = fs/tree fs/audit fs/node_dir fs/node_text fs/node_object store/object store/rules_table store/secret store/secret_arena store/why
LIBS_test_tree = $(CRYPTO_LIBS)
CRYPTO_OBJECTS = $(addprefix store/,$(filter object rules% policy why secret% der curve mech% key% op%,$(STORE)))
OBJECTS_test_op = $(CRYPTO_OBJECTS)
LIBS_test_op = $(CRYPTO_LIBS)
OBJECTS_test_otp = $(CRYPTO_OBJECTS)
LIBS_test_otp = $(CRYPTO_LIBS)
OBJECTS_test_sign = $(CRYPTO_OBJECTS)
LIBS_test_sign = $(CRYPTO_LIBS)
OBJECTS_test_mech = $(CRYPTO_OBJECTS)
LIBS_test_mech = $(CRYPTO_LIBS)
OBJECTS_test_vocabulary = $(CRYPTO_OBJECTS)
LIBS_test_vocabulary = $(CRYPTO_LIBS)
OBJECTS_test_key = $(CRYPTO_OBJECTS)
LIBS_test_key = $(CRYPTO_LIBS)
OBJECTS_test_ffc = $(CRYPTO_OBJECTS)
LIBS_test_ffc = $(CRYPTO_LIBS)
OBJECTS_test_pq = $(CRYPTO_OBJECTS)
LIBS_test_pq = $(CRYPTO_LIBS)
OBJECTS_test_eddsa = $(CRYPTO_OBJECTS)
LIBS_test_eddsa = $(CRYPTO_LIBS)
OBJECTS_test_encap = $(RULES_OBJECTS) store/make store/make_derive store/make_wrap store/make_encap store/ledger
LIBS_test_encap = $(CRYPTO_LIBS)
$(foreach t,aead aes cipher mac message reuse,$(eval OBJECTS_test_$(t) = $(CRYPTO_OBJECTS)))
$(foreach t,aead aes cipher mac message reuse,$(eval LIBS_test_$(t) = $(CRYPTO_LIBS)))
OBJECTS_test_wrap = $(OBJECTS_test_make)
LIBS_test_wrap = $(CRYPTO_LIBS)
