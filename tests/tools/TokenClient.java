import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.util.Collections;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * What an identity server does with a PKCS#11 key store: signs, MACs, encrypts, and reads a key that may be read.
 *
 * Usage: java TokenClient.java CONFIG PIN COMMAND ARGUMENT...
 *     list                              aliases, sorted, with their kind
 *     sign ALIAS ALGORITHM IN OUT       signature over the file IN
 *     mac ALIAS ALGORITHM IN            hex, made in the token
 *     encoded ALIAS                     hex of getEncoded()
 *     gcm ALIAS                         encrypts in the token, decrypts outside: prints the text
 */
public class TokenClient {
	private static KeyStore store;
	private static Provider provider;
	private static char[] pin;

	public static void main(String[] args) throws Exception {
		provider = Security.getProvider("SunPKCS11").configure(args[0]);
		Security.addProvider(provider);
		pin = args[1].toCharArray();
		store = KeyStore.getInstance("PKCS11", provider);
		store.load(null, pin);
		switch (args[2]) {
		case "list":
			list();
			break;
		case "sign":
			sign(args[3], args[4], args[5], args[6]);
			break;
		case "mac":
			System.out.println(hex(mac(args[3], args[4], args[5])));
			break;
		case "encoded":
			System.out.println(hex(store.getKey(args[3], pin).getEncoded()));
			break;
		case "gcm":
			System.out.println(gcm((SecretKey) store.getKey(args[3], pin)));
			break;
		default:
			throw new IllegalArgumentException(args[2]);
		}
	}

	private static void list() throws Exception {
		var aliases = Collections.list(store.aliases());

		Collections.sort(aliases);
		for (String alias : aliases)
			System.out.println(alias + " " + (store.entryInstanceOf(alias, KeyStore.SecretKeyEntry.class) ? "secret"
				: store.isKeyEntry(alias) ? "private" : "certificate"));
	}

	private static void sign(String alias, String algorithm, String in, String out) throws Exception {
		Signature signature = Signature.getInstance(algorithm, provider);

		signature.initSign((PrivateKey) store.getKey(alias, pin));
		signature.update(read(in));
		byte[] bytes = signature.sign();
		try (var file = new FileOutputStream(out)) {
			file.write(bytes);
		}
		/* The token itself verifies what it signed, with the certificate's key. */
		signature.initVerify(store.getCertificate(alias));
		signature.update(read(in));
		if (!signature.verify(bytes))
			throw new IllegalStateException("the token does not verify its own signature");
	}

	private static byte[] mac(String alias, String algorithm, String in) throws Exception {
		Mac mac = Mac.getInstance(algorithm, provider);

		mac.init(store.getKey(alias, pin));
		return mac.doFinal(read(in));
	}

	private static String gcm(SecretKey key) throws Exception {
		Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding", provider);
		byte[] iv = new byte[12];

		cipher.init(Cipher.ENCRYPT_MODE, key, new GCMParameterSpec(128, iv));
		byte[] sealed = cipher.doFinal("sealed in the token".getBytes(StandardCharsets.UTF_8));
		Cipher outside = Cipher.getInstance("AES/GCM/NoPadding", "SunJCE");
		outside.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key.getEncoded(), "AES"), new GCMParameterSpec(128, iv));
		return new String(outside.doFinal(sealed), StandardCharsets.UTF_8);
	}

	private static byte[] read(String name) throws Exception {
		try (var file = new FileInputStream(name)) {
			return file.readAllBytes();
		}
	}

	private static String hex(byte[] bytes) {
		var text = new StringBuilder();

		for (byte b : bytes)
			text.append(String.format("%02x", b));
		return text.toString();
	}
}
