import java.nio.ByteBuffer;
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/* A TLS handshake of a program with itself, in memory, with a token as Java's first provider: the server's key, and
 * whatever of the key schedule Java gives to the token, are the token's. Arguments: the provider's configuration, the
 * PIN, the protocol, the cipher suite, whether to offer the extended master secret. */
public class TlsClient
{
	static void
	step(SSLEngine e, ByteBuffer in, ByteBuffer out) throws Exception
	{
		for (;;) {
			Runnable task;
			SSLEngineResult r;

			switch (e.getHandshakeStatus()) {
			case NEED_TASK:
				while ((task = e.getDelegatedTask()) != null)
					task.run();
				break;
			case NEED_WRAP:
				e.wrap(ByteBuffer.allocate(0), out);
				break;
			case NEED_UNWRAP:
				in.flip();
				r = e.unwrap(in, ByteBuffer.allocate(40000));
				in.compact();
				if (r.getStatus() != SSLEngineResult.Status.OK)
					return;
				break;
			default: /* TLS 1.3 sends tickets when the handshake is over */
				if (in.position() == 0)
					return;
				in.flip();
				e.unwrap(in, ByteBuffer.allocate(40000));
				in.compact();
			}
		}
	}

	/* Sends the text from one to the other. */
	static void
	say(SSLEngine from, SSLEngine to, String text) throws Exception
	{
		ByteBuffer wire = ByteBuffer.allocate(40000), got = ByteBuffer.allocate(40000);

		from.wrap(ByteBuffer.wrap(text.getBytes("UTF-8")), wire);
		wire.flip();
		while (wire.hasRemaining())
			to.unwrap(wire, got);
		got.flip();
		if (!new String(got.array(), 0, got.limit(), "UTF-8").equals(text))
			throw new Exception("what arrived is not what was sent");
	}

	public static void
	main(String[] args) throws Exception
	{
		Provider p = Security.getProvider("SunPKCS11").configure(args[0]);
		KeyStore ks;
		KeyManagerFactory km;
		SSLContext context;
		SSLEngine client, server;
		ByteBuffer up = ByteBuffer.allocate(80000), down = ByteBuffer.allocate(80000);

		System.setProperty("jdk.tls.useExtendedMasterSecret", args[4]);
		System.setProperty("jdk.tls.namedGroups", "secp256r1, secp384r1");
		Security.insertProviderAt(p, 1);
		ks = KeyStore.getInstance("PKCS11", p);
		ks.load(null, args[1].toCharArray());
		km = KeyManagerFactory.getInstance("NewSunX509");
		km.init(new javax.net.ssl.KeyStoreBuilderParameters(KeyStore.Builder.newInstance(ks,
			new KeyStore.PasswordProtection(args[1].toCharArray()))));
		TrustManager all = new X509TrustManager() {
			public void checkClientTrusted(X509Certificate[] c, String s) {}
			public void checkServerTrusted(X509Certificate[] c, String s) {}
			public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
		};
		context = SSLContext.getInstance(args[2]);
		context.init(km.getKeyManagers(), new TrustManager[] {all}, null);
		server = context.createSSLEngine();
		client = context.createSSLEngine("localhost", 443);
		server.setUseClientMode(false);
		client.setUseClientMode(true);
		for (SSLEngine e : new SSLEngine[] {server, client}) {
			e.setEnabledProtocols(new String[] {args[2]});
			e.setEnabledCipherSuites(new String[] {args[3]});
		}
		client.beginHandshake();
		server.beginHandshake();
		for (int i = 0; i < 30; i++) {
			step(client, down, up);
			step(server, up, down);
		}
		say(client, server, "to the server");
		say(server, client, "to the client");
		System.out.println(client.getSession().getProtocol() + " " + client.getSession().getCipherSuite());
	}
}
