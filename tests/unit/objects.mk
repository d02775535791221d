# OBJECTS_<test> = objects it links beside the vocabulary; LIBS_<test> = libraries.
OBJECTS_test_secret = store/secret store/why
LIBS_test_secret = $(CRYPTO_LIBS)
OBJECTS_test_state = store/state store/state_index store/db store/secret store/why
LIBS_test_state = $(CRYPTO_LIBS) $(SQLITE_LIBS)
OBJECTS_test_handles = fs/handles
OBJECTS_test_rpc = $(STORE:%=store/%) $(addprefix fs/,$(filter-out tree node_%,$(DAEMON)))
LIBS_test_rpc = $(CRYPTO_LIBS) $(SQLITE_LIBS) $(JSON_LIBS)

OBJECTS_test_channel = pkcs11/channel pkcs11/lock pkcs11/peer
OBJECTS_test_module = $(MODULE:%=pkcs11/%)
OBJECTS_test_pass = fs/pass store/secret store/why
LIBS_test_pass = $(CRYPTO_LIBS) -lutil
VAULT_OBJECTS = $(STORE:%=store/%)
OBJECTS_test_vault = $(VAULT_OBJECTS)
LIBS_test_vault = $(CRYPTO_LIBS) $(SQLITE_LIBS)
OBJECTS_test_job = fs/job
OBJECTS_test_stream = fs/stream
RULES_OBJECTS = $(addprefix store/,$(filter object rules% policy why secret der curve mech% key% op%,$(STORE)))
OBJECTS_test_object = $(RULES_OBJECTS)
LIBS_test_object = $(CRYPTO_LIBS)
OBJECTS_test_rules = $(RULES_OBJECTS)
LIBS_test_rules = $(CRYPTO_LIBS)
OBJECTS_test_finish = $(RULES_OBJECTS)
LIBS_test_finish = $(CRYPTO_LIBS)
OBJECTS_test_policy = $(RULES_OBJECTS)
LIBS_test_policy = $(CRYPTO_LIBS)
OBJECTS_test_make = $(RULES_OBJECTS) store/make
LIBS_test_make = $(CRYPTO_LIBS)
OBJECTS_test_tree = fs/tree fs/node_dir fs/node_text fs/node_object store/object store/rules_table store/secret store/why
LIBS_test_tree = $(CRYPTO_LIBS)
