import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;

/**
 * Somebody else's service: it knows the issuer's name and its JWKS, and nothing of Keyturn. No library but the JDK.
 *
 * <p>It reads lines {@code JWKS ISSUER AUDIENCE TOKEN} and answers each with a verdict. Keys are fetched once.
 */
public final class Verify {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private final Map<String, Map<String, Object>> keys;
    private final String issuer;
    private final String audience;

    private Verify(Map<String, Map<String, Object>> keys, String issuer, String audience) {
        this.keys = keys;
        this.issuer = issuer;
        this.audience = audience;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Map<String, Map<String, Object>>> fetched = new HashMap<>();
        try (Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8)) {
            while (lines.hasNextLine()) {
                String[] told = lines.nextLine().split(" ");
                if (!fetched.containsKey(told[0])) {
                    fetched.put(told[0], keys(told[0]));
                }
                System.out.println(new Verify(fetched.get(told[0]), told[1], told[2]).judged(told[3]));
            }
        }
    }

    private static Map<String, Map<String, Object>> keys(String jwks) throws Exception {
        Map<String, Map<String, Object>> found = new HashMap<>();
        HttpRequest request = HttpRequest.newBuilder(URI.create(jwks)).build();
        String body = CLIENT.send(request, HttpResponse.BodyHandlers.ofString()).body();
        for (Object each : (List<?>) object(body).get("keys")) {
            Map<String, Object> key = map(each);
            found.put((String) key.get("kid"), key);
        }
        return found;
    }

    private String judged(String token) {
        try {
            return "good " + subject(token);
        } catch (Exception refused) {
            return "bad " + refused.getMessage();
        }
    }

    private String subject(String token) throws Exception {
        String[] parts = token.split("\\.", -1);
        require(parts.length == 3, "shape");
        Map<String, Object> header = object(text(parts[0]));
        require("at+jwt".equals(header.get("typ")), "typ");
        Map<String, Object> key = keys.get((String) header.get("kid"));
        require(key != null, "kid");
        // The algorithm is the key's, never the token's (RFC 8725 section 3.1).
        String algorithm = (String) key.get("alg");
        require(algorithm.equals(header.get("alg")), "alg");
        byte[] signed = (parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII);
        require(holds(algorithm, key, signed, bytes(parts[2])), "signature");
        Map<String, Object> claims = object(text(parts[1]));
        require(issuer.equals(claims.get("iss")), "iss");
        require(named(claims.get("aud")), "aud");
        require(((Number) claims.get("exp")).longValue() > System.currentTimeMillis() / 1000, "exp");
        return (String) claims.get("sub");
    }

    private boolean named(Object audiences) {
        return audience.equals(audiences) || (audiences instanceof List<?> list && list.contains(audience));
    }

    private static boolean holds(String algorithm, Map<String, Object> key, byte[] signed, byte[] mac) throws Exception {
        Signature signature = Signature.getInstance(
            switch (algorithm) {
                case "RS256" -> "SHA256withRSA";
                case "ES256" -> "SHA256withECDSAinP1363Format";
                default -> throw new IllegalArgumentException("alg");
            });
        signature.initVerify(algorithm.equals("RS256") ? rsa(key) : ec(key));
        signature.update(signed);
        return signature.verify(mac);
    }

    private static PublicKey rsa(Map<String, Object> key) throws Exception {
        return KeyFactory.getInstance("RSA").generatePublic(new RSAPublicKeySpec(number(key, "n"), number(key, "e")));
    }

    private static PublicKey ec(Map<String, Object> key) throws Exception {
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        ECPoint point = new ECPoint(number(key, "x"), number(key, "y"));
        ECPublicKeySpec spec = new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class));
        return KeyFactory.getInstance("EC").generatePublic(spec);
    }

    private static BigInteger number(Map<String, Object> key, String name) {
        return new BigInteger(1, bytes((String) key.get(name)));
    }

    private static byte[] bytes(String text) {
        return Base64.getUrlDecoder().decode(text);
    }

    private static String text(String part) {
        return new String(bytes(part), StandardCharsets.UTF_8);
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    private static Map<String, Object> object(String json) {
        return map(new Json(json).value());
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(Object value) {
        return (Map<String, Object>) value;
    }

    /** As much JSON as a token needs; the JDK has none. */
    private static final class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object value() {
            skip();
            char next = text.charAt(at);
            if (next == '{') {
                return members();
            }
            if (next == '[') {
                return items();
            }
            return next == '"' ? string() : scalar();
        }

        private Map<String, Object> members() {
            Map<String, Object> found = new HashMap<>();
            at++;
            while (!ended('}')) {
                String name = string();
                skip();
                at++;
                require(found.put(name, value()) == null, "member twice");
            }
            return found;
        }

        private List<Object> items() {
            List<Object> found = new ArrayList<>();
            at++;
            while (!ended(']')) {
                found.add(value());
            }
            return found;
        }

        private boolean ended(char end) {
            skip();
            if (text.charAt(at) == ',') {
                at++;
                skip();
            }
            if (text.charAt(at) != end) {
                return false;
            }
            at++;
            return true;
        }

        private String string() {
            StringBuilder found = new StringBuilder();
            for (at++; text.charAt(at) != '"'; at++) {
                if (text.charAt(at) == '\\') {
                    at++;
                }
                found.append(text.charAt(at));
            }
            at++;
            return found.toString();
        }

        private Object scalar() {
            int from = at;
            while (at < text.length() && ",]} \n".indexOf(text.charAt(at)) < 0) {
                at++;
            }
            String word = text.substring(from, at);
            return switch (word) {
                case "true" -> Boolean.TRUE;
                case "false" -> Boolean.FALSE;
                case "null" -> "";
                default -> Double.valueOf(word);
            };
        }

        private void skip() {
            while (Character.isWhitespace(text.charAt(at))) {
                at++;
            }
        }
    }
}
