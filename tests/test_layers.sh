#!/bin/sh
# scripts/check-layers finds what it is there for.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	mkdir "$DIR/tree"
	cp -r pkcs11 store fs Makefile "$DIR/tree"
}

# FILE INCLUDE WHAT: the include is found
finds()
{
	cp "$DIR/tree/$1" "$DIR/saved"
	echo "#include $2" >> "$DIR/tree/$1"
	refused "$3" scripts/check-layers "$DIR/tree"
	assertContains "$out" "$1"
	cp "$DIR/saved" "$DIR/tree/$1"
}

test_layers_of_this_tree_are_clean()
{
	must scripts/check-layers
	must scripts/check-layers "$DIR/tree"
}

test_layers_wrong_includes_are_found()
{
	finds pkcs11/buf.c '"../store/secret.h"' 'stands alone'
	finds store/op.c '"../fs/rpc.h"' 'knows nothing of fs/'
	finds store/op.c '"../pkcs11/wire.h"' 'not its wire'
	finds store/op.c '"../pkcs11/module.h"' 'not its wire or module'
	finds fs/rpc.c '"../pkcs11/channel.h"' 'belongs to applications'
	finds fs/rpc.c '"../store/inside.h"' 'behind the door of store/'
}

test_layers_wrong_libraries_and_strangers_are_found()
{
	finds fs/rpc.c '<fuse_lowlevel.h>' 'FUSE is seen by'
	finds fs/rpc.c '<openssl/evp.h>' 'OpenSSL is in store/'
	finds store/op.c '<sqlite3.h>' 'SQLite is behind'
	mkdir "$DIR/tree/src"
	refused 'src does not belong at the top' scripts/check-layers "$DIR/tree"
	rmdir "$DIR/tree/src"
	echo "int x;" > "$DIR/tree/store/orphan.c"
	refused 'store/orphan.c is in no list of the Makefile' scripts/check-layers "$DIR/tree"
}

. shunit2
