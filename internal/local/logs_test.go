// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestAChattyReplicaFillsNoDisk(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	// 60 MB: more than is kept.
	req := f.request(1, "head -c 60000000 /dev/zero | tr '\\0' x | fold -w 99; echo; echo done; exec sleep 3600")
	f.launch(req)
	f.printed(req.Ref, "done")
	var size int64
	files, err := os.ReadDir(filepath.Join(f.home.replica(req.Ref), logDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range files {
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
	}
	// The oldest is removed on the side, so there may be one more at a time.
	if limit := int64(logfile.Megabytes<<20) * (logfile.Backups + 2); size > limit || len(files) < logfile.Backups {
		t.Errorf("%d files of %d bytes in all, want several and no more than %d bytes", len(files), size, limit)
	}
}

func TestClosingALogEndsItsFollowing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, "while :; do echo again; sleep 0.01; done")
	f.launch(req)
	for range 3 {
		log, err := f.Logs(f.ctx, req.Ref, serve.LogOptions{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if n, err := log.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("reading a closed log = %d, %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(f.ctx)
	log, err := f.Logs(ctx, req.Ref, serve.LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cancel()
	if _, err := io.ReadAll(log); err != nil {
		t.Errorf("the end of the context = %v, want the end of the log", err)
	}
}
