// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkProxy sends small GETs through a balancer to four backends, all over
// loopback.
func BenchmarkProxy(b *testing.B) {
	var backends []Backend
	for id := range int64(4) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			say(w, "hello, world")
		}))
		b.Cleanup(server.Close)
		backends = append(backends, Backend{ID: id, Address: server.Listener.Addr().String()})
	}
	balancer := New(Options{})
	balancer.SetBackends(backends)
	front := httptest.NewServer(balancer)
	b.Cleanup(front.Close)

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}
	b.Cleanup(client.CloseIdleConnections)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Get(front.URL)
			if err != nil {
				b.Error(err)
				return
			}
			drain(resp.Body)
			resp.Body.Close()
		}
	})
}

func BenchmarkPick(b *testing.B) {
	for _, policy := range []string{"least_load", "round_robin", "instance_aware_least_load"} {
		for _, n := range []int64{4, 64} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				balancer := New(Options{Settings: Settings{Policy: policy}})
				var backends []Backend
				for id := range n {
					backends = append(backends, Backend{ID: id, Weight: float64(id + 1)})
				}
				balancer.SetBackends(backends)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						balancer.pick("", nil).release()
					}
				})
			})
		}
	}
}
