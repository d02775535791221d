// client.go - a Go program with a token: signs a file by RSA-PSS, and digests it in two sessions, the second of which
// goes on from the state that the first one saved.
// Usage: client MODULE PIN FILE SIGNATURE DIGEST
package main

import (
	"fmt"
	"os"

	"github.com/miekg/pkcs11"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(p *pkcs11.Ctx) pkcs11.SessionHandle {
	slots, err := p.GetSlotList(true)
	must(err)
	session, err := p.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	must(err)
	return session
}

func sign(p *pkcs11.Ctx, session pkcs11.SessionHandle, data []byte) []byte {
	must(p.FindObjectsInit(session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, "rsa")}))
	keys, _, err := p.FindObjects(session, 1)
	must(err)
	must(p.FindObjectsFinal(session))
	pss := pkcs11.NewPSSParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, 32)
	must(p.SignInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_SHA256_RSA_PKCS_PSS, pss)}, keys[0]))
	signature, err := p.Sign(session, data)
	must(err)
	return signature
}

func digest(p *pkcs11.Ctx, first, second pkcs11.SessionHandle, data []byte) []byte {
	must(p.DigestInit(first, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_SHA256, nil)}))
	must(p.DigestUpdate(first, data[:3]))
	state, err := p.GetOperationState(first)
	must(err)
	must(p.SetOperationState(second, state, 0, 0))
	must(p.DigestUpdate(second, data[3:]))
	answer, err := p.DigestFinal(second)
	must(err)
	return answer
}

func main() {
	p := pkcs11.New(os.Args[1])
	must(p.Initialize())
	session := open(p)
	must(p.Login(session, pkcs11.CKU_USER, os.Args[2]))
	data, err := os.ReadFile(os.Args[3])
	must(err)
	must(os.WriteFile(os.Args[4], sign(p, session, data), 0600))
	must(os.WriteFile(os.Args[5], digest(p, session, open(p), data), 0600))
	must(p.Finalize())
}
