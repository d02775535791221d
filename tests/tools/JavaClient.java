/*
 * JavaClient.java - what Java applications do with a token through SunPKCS11, each answer checked with
 * the software providers of the JDK
 *
 * Use: java JavaClient.java <SunPKCS11 configuration> <PIN> <PKCS#12 file to import>
 * The token holds what keytool made: the HMAC key `secret` and the RSA key pair `pair`. Prints a line per case; the exit
 * code is the number of those that failed.
 */
import java.io.FileInputStream;
import java.net.Socket;
import java.security.*;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.security.spec.*;
import java.util.*;
import javax.crypto.*;
import javax.crypto.spec.*;
import javax.net.ssl.*;

public class JavaClient {
	static final byte[] DATA = "hello world, a message longer than a block".getBytes();
	static final String SECRET = "secret", PAIR = "pair";
	static Provider token;
	static KeyStore store;
	static int failed;

	interface Case {
		void run() throws Exception;
	}

	static void run(String name, Case c)
	{
		try {
			c.run();
			System.out.println("ok " + name);
		} catch (Throwable e) {
			failed++;
			System.out.println("FAILED " + name);
			e.printStackTrace(System.out);
		}
	}

	static void check(boolean good, String what) throws Exception
	{
		if (!good)
			throw new Exception(what);
	}

	static void same(byte[] a, byte[] b, String what) throws Exception
	{
		check(Arrays.equals(a, b), what + ": not the same bytes");
	}

	/* ---- signatures ---- */

	static byte[] message(String algorithm)
	{
		return algorithm.startsWith("NONE") ? Arrays.copyOf(DATA, 20) : DATA;
	}

	static byte[] sign(PrivateKey key, String algorithm, AlgorithmParameterSpec spec) throws Exception
	{
		Signature s = Signature.getInstance(algorithm, token);

		if (spec != null)
			s.setParameter(spec);
		s.initSign(key);
		s.update(message(algorithm));
		return s.sign();
	}

	static void verify(Provider by, PublicKey key, String algorithm, AlgorithmParameterSpec spec,
		byte[] signature) throws Exception
	{
		Signature s = Signature.getInstance(algorithm, by);

		if (spec != null)
			s.setParameter(spec);
		s.initVerify(key);
		s.update(message(algorithm));
		check(s.verify(signature), algorithm + " by " + by.getName());
	}

	static void rsa(String alias) throws Exception
	{
		PrivateKey key = (PrivateKey)store.getKey(alias, null);
		PublicKey pub = store.getCertificate(alias).getPublicKey();
		Provider soft = Security.getProvider("SunRsaSign");
		PSSParameterSpec pss = new PSSParameterSpec("SHA-512", "MGF1", MGF1ParameterSpec.SHA512, 64, 1);

		for (String a : new String[]{"SHA1withRSA", "SHA256withRSA", "SHA384withRSA", "SHA512withRSA"})
			verify(soft, pub, a, null, sign(key, a, null));
		verify(soft, pub, "RSASSA-PSS", pss, sign(key, "RSASSA-PSS", pss));
		rsaDecrypt(key, pub);
	}

	static void rsaDecrypt(PrivateKey key, PublicKey pub) throws Exception
	{
		Cipher c = Cipher.getInstance("RSA/ECB/PKCS1Padding", "SunJCE");
		Cipher d = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
		SecretKey aes = new SecretKeySpec(Arrays.copyOf(DATA, 16), "AES");
		byte[] blob;

		c.init(Cipher.ENCRYPT_MODE, pub);
		blob = c.doFinal(DATA);
		d.init(Cipher.DECRYPT_MODE, key);
		same(DATA, d.doFinal(blob), "RSA decryption");
		c.init(Cipher.WRAP_MODE, pub);
		blob = c.wrap(aes);
		d.init(Cipher.UNWRAP_MODE, key);
		crypt((SecretKey)d.unwrap(blob, "AES", Cipher.SECRET_KEY), "AES/CBC/PKCS5Padding", aes);
	}

	static void ec(String curve) throws Exception
	{
		KeyPairGenerator g = KeyPairGenerator.getInstance("EC", token);
		Provider soft = Security.getProvider("SunEC");
		PublicKey pub;
		KeyPair pair;

		g.initialize(new ECGenParameterSpec(curve));
		pair = g.generateKeyPair();
		pub = KeyFactory.getInstance("EC", soft).generatePublic(
			new X509EncodedKeySpec(pair.getPublic().getEncoded()));
		for (String a : new String[]{"NONEwithECDSA", "SHA1withECDSA", "SHA256withECDSA", "SHA384withECDSA",
			     "SHA512withECDSA", "SHA256withECDSAinP1363Format"}) {
			byte[] s = sign(pair.getPrivate(), a, null);

			verify(soft, pub, a, null, s);
			verify(token, pair.getPublic(), a, null, s);
		}
		agree(pair, pub, curve);
	}

	/* The shared secret must be readable: TLS goes on with it outside the token. */
	static void agree(KeyPair pair, PublicKey pub, String curve) throws Exception
	{
		KeyPairGenerator g = KeyPairGenerator.getInstance("EC", "SunEC");
		KeyAgreement here = KeyAgreement.getInstance("ECDH", token);
		KeyAgreement there = KeyAgreement.getInstance("ECDH", "SunEC");
		KeyPair peer;

		g.initialize(new ECGenParameterSpec(curve));
		peer = g.generateKeyPair();
		here.init(pair.getPrivate());
		here.doPhase(peer.getPublic(), true);
		there.init(peer.getPrivate());
		there.doPhase(pub, true);
		same(here.generateSecret(), there.generateSecret(), "ECDH");
	}

	/* ---- secret keys ---- */

	/* PingIDM's 256-bit keys with the longer hashes too. */
	static void mac(String alias) throws Exception
	{
		Key key = store.getKey(alias, null);
		byte[] value = key.getEncoded();

		check(value != null && value.length == 32, alias + " is not readable");
		for (String a : new String[]{"HmacSHA1", "HmacSHA224", "HmacSHA256", "HmacSHA384", "HmacSHA512"}) {
			Mac here = Mac.getInstance(a, token), soft = Mac.getInstance(a, "SunJCE");

			here.init(key);
			soft.init(new SecretKeySpec(value, a));
			same(here.doFinal(DATA), soft.doFinal(DATA), a);
			here.update(DATA);
			here.update(DATA);
			soft.update(DATA);
			soft.update(DATA);
			same(here.doFinal(), soft.doFinal(), a + " in parts");
		}
	}

	static AlgorithmParameterSpec parameters(String mode)
	{
		byte[] iv = new byte[mode.contains("GCM") ? 12 : 16];

		new SecureRandom().nextBytes(iv);
		return mode.contains("ECB") ? null :
			mode.contains("GCM") ? new GCMParameterSpec(128, iv) : new IvParameterSpec(iv);
	}

	static byte[] pass(Cipher c, int mode, Key key, AlgorithmParameterSpec spec, byte[] in)
		throws Exception
	{
		c.init(mode, key, spec);
		if (spec instanceof GCMParameterSpec)
			c.updateAAD("associated".getBytes());
		return c.doFinal(in);
	}

	/* value: the same key for the software provider, or null. */
	static void crypt(SecretKey key, String mode, SecretKey value) throws Exception
	{
		boolean blocks = mode.contains("NoPadding") && (mode.contains("CBC") || mode.contains("ECB"));
		byte[] in = blocks ? Arrays.copyOf(DATA, 32) : DATA;
		Cipher c = Cipher.getInstance(mode, token);
		AlgorithmParameterSpec spec = parameters(mode);
		byte[] out = pass(c, Cipher.ENCRYPT_MODE, key, spec, in);

		same(in, pass(c, Cipher.DECRYPT_MODE, key, spec, out), mode);
		if (value != null)
			same(in, pass(Cipher.getInstance(mode, "SunJCE"), Cipher.DECRYPT_MODE, value, spec, out),
				mode + " outside");
	}

	static void aes(SecretKey key) throws Exception
	{
		byte[] value = key.getEncoded();
		SecretKey soft = value != null ? new SecretKeySpec(value, "AES") : null;

		for (String mode : new String[]{"AES/ECB/NoPadding", "AES/ECB/PKCS5Padding", "AES/CBC/NoPadding",
			     "AES/CBC/PKCS5Padding", "AES/CTR/NoPadding", "AES/GCM/NoPadding"})
			crypt(key, mode, soft);
	}

	static void generatedAes(int bits) throws Exception
	{
		KeyGenerator g = KeyGenerator.getInstance("AES", token);

		g.init(bits);
		aes(g.generateKey());
	}

	/* ---- the key store ---- */

	static void imported(String alias, KeyStore from) throws Exception
	{
		PrivateKey key = (PrivateKey)from.getKey(alias, "changeit".toCharArray());
		boolean isEc = key.getAlgorithm().equals("EC");
		String algorithm = isEc ? "SHA256withECDSA" : "SHA256withRSA";
		Provider soft = Security.getProvider(isEc ? "SunEC" : "SunRsaSign");
		byte[] s;

		store.setKeyEntry(alias, key, null, from.getCertificateChain(alias));
		s = sign((PrivateKey)store.getKey(alias, null), algorithm, null);
		verify(soft, from.getCertificate(alias).getPublicKey(), algorithm, null, s);
		store.deleteEntry(alias);
		check(!store.containsAlias(alias), alias + " is still there");
	}

	static void importAll(String file) throws Exception
	{
		KeyStore from = KeyStore.getInstance("PKCS12");

		from.load(new FileInputStream(file), "changeit".toCharArray());
		for (String alias : Collections.list(from.aliases()))
			imported(alias, from);
	}

	static void storedSecrets() throws Exception
	{
		Mac mac = Mac.getInstance("HmacSHA256", token);

		store.setKeyEntry("stored-aes", new SecretKeySpec(Arrays.copyOf(DATA, 32), "AES"), null, null);
		store.setKeyEntry("stored-hmac", new SecretKeySpec(Arrays.copyOf(DATA, 32), "HmacSHA256"), null,
			null);
		aes((SecretKey)store.getKey("stored-aes", null));
		mac.init(store.getKey("stored-hmac", null));
		mac.doFinal(DATA);
		store.deleteEntry("stored-aes");
		check(!store.containsAlias("stored-aes"), "stored-aes is still there");
	}

	/* ---- the rest ---- */

	static void digests() throws Exception
	{
		SecureRandom random = SecureRandom.getInstance("PKCS11", token);

		for (String a : new String[]{"SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"}) {
			MessageDigest here = MessageDigest.getInstance(a, token), copy;

			here.update(DATA);
			copy = (MessageDigest)here.clone();
			same(here.digest(), MessageDigest.getInstance(a, "SUN").digest(DATA), a);
			same(copy.digest(), MessageDigest.getInstance(a, "SUN").digest(DATA), a + " cloned");
		}
		random.setSeed(5);
		random.nextBytes(new byte[100]);
	}

	static void threads() throws Exception
	{
		PrivateKey key = (PrivateKey)store.getKey(PAIR, null);
		PublicKey pub = store.getCertificate(PAIR).getPublicKey();
		Provider soft = Security.getProvider("SunRsaSign");
		List<Throwable> errors = Collections.synchronizedList(new ArrayList<>());
		Thread[] all = new Thread[8];

		for (int i = 0; i < all.length; i++) {
			all[i] = new Thread(() -> {
				try {
					for (int n = 0; n < 25; n++)
						verify(soft, pub, "SHA256withRSA", null,
							sign(key, "SHA256withRSA", null));
				} catch (Throwable e) {
					errors.add(e);
				}
			});
			all[i].start();
		}
		for (Thread t : all)
			t.join();
		check(errors.isEmpty(), errors.toString());
	}

	static SSLContext trusting() throws Exception
	{
		SSLContext c = SSLContext.getInstance("TLS");

		c.init(null, new TrustManager[]{new X509TrustManager() {
			public void checkClientTrusted(X509Certificate[] chain, String type) {}
			public void checkServerTrusted(X509Certificate[] chain, String type) {}
			public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
		}}, null);
		return c;
	}

	/* A server whose keys are in the token. */
	static void tls(String protocol) throws Exception
	{
		KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
		SSLContext c = SSLContext.getInstance("TLS");
		SSLServerSocket server;
		SSLSocket client;
		Thread answer;

		keys.init(store, null);
		c.init(keys.getKeyManagers(), null, null);
		server = (SSLServerSocket)c.getServerSocketFactory().createServerSocket(0);
		server.setEnabledProtocols(new String[]{protocol});
		answer = new Thread(() -> {
			try (Socket s = server.accept()) {
				s.getOutputStream().write(DATA);
			} catch (Exception e) {
				e.printStackTrace(System.out);
			}
		});
		answer.start();
		client = (SSLSocket)trusting().getSocketFactory().createSocket("127.0.0.1", server.getLocalPort());
		client.startHandshake();
		check(client.getSession().getProtocol().equals(protocol), client.getSession().getProtocol());
		same(DATA, client.getInputStream().readNBytes(DATA.length), "over TLS");
		answer.join();
		client.close();
		server.close();
	}

	public static void main(String[] args) throws Exception
	{
		token = Security.getProvider("SunPKCS11").configure(args[0]);
		Security.addProvider(token);
		store = KeyStore.getInstance("PKCS11", token);
		store.load(null, args[1].toCharArray());
		run("HMAC", () -> mac(SECRET));
		run("RSA", () -> rsa(PAIR));
		for (String curve : new String[]{"secp256r1", "secp384r1", "secp521r1"})
			run("EC " + curve, () -> ec(curve));
		run("AES generated, 128", () -> generatedAes(128));
		run("AES generated, 256", () -> generatedAes(256));
		run("AES given", () -> aes(new SecretKeySpec(Arrays.copyOf(DATA, 16), "AES")));
		run("secret keys stored", () -> storedSecrets());
		run("PKCS#12 imported", () -> importAll(args[2]));
		run("threads", () -> threads());
		run("TLS 1.2 server", () -> tls("TLSv1.2"));
		run("TLS 1.3 server", () -> tls("TLSv1.3"));
		/* The last: P11Digest closes its session after every digest in parts, and so at some time the
		 * last session, with which the login ends. */
		run("digests and random", () -> digests());
		System.exit(failed);
	}
}
