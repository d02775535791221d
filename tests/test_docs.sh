#!/bin/sh
# docs/PKCS11.md says what the code's tables say.
. "$(dirname "$0")/lib/tokenfs.sh"

TABLES=$BUILD/tests/tools/tables

setUp()
{
	tfs_setup
	cp docs/PKCS11.md "$DIR/PKCS11.md"
}

test_docs_tables_are_those_of_the_code()
{
	must scripts/pkcs11-tables --check "$TABLES"
}

test_docs_changed_table_is_found_and_mended()
{
	sed -i 's/^| 0x1087 | AES_GCM | AES |/| 0x1087 | AES_GCM | DES |/' "$DIR/PKCS11.md"
	refused 'is not what the code says' scripts/pkcs11-tables --check "$TABLES" "$DIR/PKCS11.md"
	must scripts/pkcs11-tables "$TABLES" "$DIR/PKCS11.md"
	must cmp docs/PKCS11.md "$DIR/PKCS11.md"
}

test_docs_table_without_end_is_refused()
{
	sed -i '/^<!-- end -->$/d' "$DIR/PKCS11.md"
	refused 'no end' scripts/pkcs11-tables --check "$TABLES" "$DIR/PKCS11.md"
}

. shunit2
