// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// noteBy has a cloud note where machines are.
func noteBy(h *Host, where string) error {
	o, err := Own(context.Background(), h, struct{}{}, fleet.Options{})
	if err != nil {
		return err
	}
	return o.Note(where)
}

// brought gives a program that is in the bucket, by its digest.
func brought(t *testing.T, b bucket.Bucket, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := agent.OpenProgram(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := bring(t.Context(), b, p); err != nil {
		t.Fatal(err)
	}
	return p.Digest()
}

// seat is a machine that a controller was started on.
type seat struct {
	*testing.T
	bucket *buckettest.Memory
	dir    string
	log    bytes.Buffer
	settings
}

func newSeat(t *testing.T) *seat {
	t.Helper()
	s := &seat{T: t, bucket: buckettest.New(), dir: t.TempDir()}
	if err := jsonfile.Write(filepath.Join(s.dir, filepath.Base(bootstrap.HostFile)), bootstrap.Host{Service: "web", Bucket: "serve-web"}); err != nil {
		t.Fatal(err)
	}
	s.settings = settings{Program: brought(t, s.bucket, "one"), Address: Address{"a-1", "198.51.100.1"}, Config: []byte(`{"region":"here"}`)}
	s.tell()
	if err := bucket.Write(t.Context(), s.bucket, credentialsKey, serve.Credentials{Token: "token"}, bucket.Condition{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// tell has the bucket hold the settings.
func (s *seat) tell() {
	s.Helper()
	if err := bucket.Write(s.Context(), s.bucket, settingsKey, s.settings, bucket.Condition{}); err != nil {
		s.Fatal(err)
	}
}

func (s *seat) open() (*Host, error) {
	return Open(s.Context(), s.dir, HostOptions{
		Bucket: func(_ context.Context, told bootstrap.Host) (bucket.Bucket, error) {
			if told.Bucket != "serve-web" {
				return nil, fmt.Errorf("there is no bucket %q", told.Bucket)
			}
			return s.bucket, nil
		},
		Machine: func(context.Context) (string, string, error) { return "i-1", "10.0.0.7", nil },
		Log:     slog.New(slog.NewTextHandler(&s.log, nil)),
	})
}

func TestAMachineFindsOutWhatToRun(t *testing.T) {
	t.Parallel()
	s := newSeat(t)
	h, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Region string }
	if err := h.Config(&config); err != nil || config.Region != "here" {
		t.Errorf("it is told %+v, %v", config, err)
	}
	if h.Told.Service != "web" || h.Credentials.Token != "token" || h.Address.IP != "198.51.100.1" || h.ID != "i-1" || h.API() != "10.0.0.7:9737" {
		t.Errorf("it is %+v", h)
	}
	if noted, err := h.Noted(t.Context()); noted != nil || err != nil {
		t.Errorf("noted is %v, %v, want nothing", noted, err)
	}
	if err := bucket.Write(t.Context(), s.bucket, credentialsKey, 7, bucket.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.open(); err == nil {
		t.Error("it makes sense of credentials that make none")
	}
}

func TestAControllerMakesRoomForAnotherProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSeat(t)
		h, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		over, given := make(chan error), 0
		wait := func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*programPause)
			defer cancel()
			over <- h.Superseded(ctx, func() { given++ })
		}
		go wait()
		if err := <-over; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing has changed: %v", err)
		}
		// Other credentials are told of, once each, and are no reason to start anew.
		for n, shown := range []string{"a", "b"} {
			s.Shown = shown
			s.tell()
			go wait()
			if err := <-over; !errors.Is(err, context.DeadlineExceeded) || given != n+1 {
				t.Errorf("other credentials are given: %v, and were told of %d times; want %d", err, given, n+1)
			}
		}
		// One that is not the program it should be is not run.
		other := brought(t, s.bucket, "two")
		if _, err := s.bucket.Put(t.Context(), programKey(other), []byte("rubbish"), bucket.Condition{}); err != nil {
			t.Fatal(err)
		}
		s.Program = other
		s.tell()
		go wait()
		if err := <-over; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(s.log.String(), "trying again") {
			t.Errorf("the program is not what it should be: %v, %s", err, s.log.String())
		}
		if err := s.bucket.Remove(t.Context(), programKey(other)); err != nil {
			t.Fatal(err)
		}
		brought(t, s.bucket, "two")
		go wait()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if text, err := os.ReadFile(filepath.Join(s.dir, hostProgram)); err != nil || string(text) != "two" {
			t.Errorf("to be started is %q, %v", text, err)
		}
	})
}

func TestProgramsForMachinesAreThoseOfTheRelease(t *testing.T) {
	t.Parallel()
	s := newSeat(t)
	arm, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	digest := brought(t, s.bucket, string(arm))
	s.Programs = map[string]string{"riscv64": digest}
	s.tell()
	h, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.program(t.Context(), "arm64"); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("a program there is none of: %v, want ErrInvalid", err)
	}
	if _, err := h.program(t.Context(), "riscv64"); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("a program of another architecture: %v, want ErrInvalid", err)
	}
	if f, err := os.Open(h.programs.Beside("riscv64")); err != nil {
		t.Error("it was not fetched:", err)
	} else {
		defer f.Close()
		if text, err := io.ReadAll(f); err != nil || !bytes.Equal(text, arm) {
			t.Errorf("fetched are %d bytes of %d, %v", len(text), len(arm), err)
		}
	}
}

func TestALogIsReadFromTheMachine(t *testing.T) {
	t.Parallel()
	s := newSeat(t)
	h, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	w, err := Log(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "one\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	r, err := h.Logs(t.Context(), serve.LogOptions{Tail: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); err != nil || string(text) != "two\n" {
		t.Errorf("the last line is %q, %v", text, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
