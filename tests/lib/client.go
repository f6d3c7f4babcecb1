// SPDX-License-Identifier: Apache-2.0

// client - what a static Go program meets in a box: client URL… prints a status or an error each, and
// how a name is resolved by Go's own resolver.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

func main() {
	transport := &http.Transport{TLSClientConfig: &tls.Config{}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	for _, url := range os.Args[1:] {
		answer, err := client.Get(url)
		switch {
		case err == nil:
			fmt.Println(answer.StatusCode, answer.Proto)
			answer.Body.Close()
		case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED):
			fmt.Println("refused")
		default:
			fmt.Println(err)
		}
	}
	resolver := &net.Resolver{PreferGo: true}
	addresses, err := resolver.LookupHost(context.Background(), "vendor.example")
	fmt.Println(len(addresses) > 0, err)
}
