// SPDX-License-Identifier: Apache-2.0
// Client.java - java Client URL…: what each answers, by both HTTP clients that Java brings

import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;

class Client {
	/** One that is reset at once is told in several ways, as it comes. */
	static String word(Exception e) {
		Throwable t = e;
		while (t.getCause() != null)
			t = t.getCause();
		return t instanceof UnknownHostException || t instanceof UnresolvedAddressException ? "no-name" : "error";
	}

	public static void main(String[] urls) {
		HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(20)).build();
		for (String url : urls) {
			String said;
			try {
				HttpResponse<String> r = client.send(
					HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(20)).build(),
					HttpResponse.BodyHandlers.ofString());
				said = r.statusCode() + " " + r.version();
			} catch (IOException | InterruptedException e) {
				said = word(e);
			}
			try {
				HttpURLConnection c = (HttpURLConnection) URI.create(url).toURL().openConnection();
				c.setConnectTimeout(20000);
				c.setReadTimeout(20000);
				said += " " + c.getResponseCode();
			} catch (IOException e) {
				said += " " + word(e);
			}
			System.out.println(said);
		}
	}
}
