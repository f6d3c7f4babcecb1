// SPDX-License-Identifier: Apache-2.0
// Client.java - java Client URL…: what each answers, by both HTTP clients that Java brings

import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

class Client {
	static String first(Exception e) {
		Throwable t = e;
		while (t.getCause() != null)
			t = t.getCause();
		return t.getClass().getSimpleName();
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
				said = first(e);
			}
			try {
				HttpURLConnection c = (HttpURLConnection) URI.create(url).toURL().openConnection();
				c.setConnectTimeout(20000);
				c.setReadTimeout(20000);
				said += " " + c.getResponseCode();
			} catch (IOException e) {
				said += " " + first(e);
			}
			System.out.println(said);
		}
	}
}
