/*
 * export.h - makes the C_ functions visible; the first include of every file that defines some
 *
 * All is compiled with -fvisibility=hidden, and PKCS#11's prototypes say nothing about it. A symbol
 * keeps the visibility of its first declaration, so the prototypes are read here with the other one.
 */
#ifndef TOKENFS_EXPORT_H
#define TOKENFS_EXPORT_H

#ifdef PKCS11_H
#error "export.h must be included before any other header of PKCS#11"
#endif

#pragma GCC visibility push(default)
#include <p11-kit/pkcs11.h>
#pragma GCC visibility pop

#endif
