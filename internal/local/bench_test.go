// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// BenchmarkPreemptNotice measures the time from the kill of a machine to the
// notice that it is gone. Launching and clearing away is not in it.
func BenchmarkPreemptNotice(b *testing.B) {
	h, err := makeHome(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	c := NewCloud(CloudOptions{Root: string(h), Executable: os.Args[0]})
	offers, err := c.Offers(ctx, serve.Resource{})
	if err != nil {
		b.Fatal(err)
	}
	gone := make(chan time.Time)
	watched := make(chan error)
	go func() {
		watched <- c.Notices(ctx, "web", func(n serve.Notice) {
			if n.Kind == serve.NoticeGone {
				gone <- time.Now()
			}
		})
	}()
	defer func() {
		cancel()
		if err := <-watched; !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	}()
	req := serve.LaunchRequest{
		Ref:   serve.Ref{Service: "web", UID: "5f3c", Replica: 1},
		Offer: offers[0],
		Port:  8080,
		Task:  serve.Task{Run: "exec sleep 3600"},
	}
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		if _, err := c.Launch(ctx, req); err != nil {
			b.Fatal(err)
		}
		r, err := readRecord(h.replica(req.Ref))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		killed := time.Now()
		if err := r.state.Process.signal(syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		took = append(took, (<-gone).Sub(killed))
		b.StopTimer()
		if err := c.Terminate(ctx, req.Ref); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}
