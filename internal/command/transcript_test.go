// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bufio"
	"context"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// transcript is what the command "status NAME --watch" prints, table by table, without
// what is different in each run: times and addresses.
type transcript struct {
	t      testing.TB
	tables chan string
	seen   []string
	// end has the program print no more.
	end func()
}

// follow has the program print the tables of a service until the test ends.
func follow(w *workspace, service string) *transcript {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, w.binary, "status", service, "--watch")
	cmd.Env = w.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	s := &transcript{t: w.t, tables: make(chan string, 10000)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		lines, table := bufio.NewScanner(out), ""
		for lines.Scan() {
			line := lines.Text()
			if line == "" && strings.Contains(table, "Replicas\n") {
				s.tables <- anytime(table)
				table = ""
				continue
			}
			table += line + "\n"
		}
	}()
	s.end = sync.OnceFunc(func() {
		cancel()
		<-over
		_ = cmd.Wait() // it was killed
	})
	w.t.Cleanup(s.end)
	return s
}

// anytime takes out of two tables what is different in each run, and the titles.
func anytime(tables string) string {
	var kept []string
	for line := range strings.Lines(tables) {
		row := regexp.MustCompile(` {2,}`).Split(strings.TrimRight(line, " \n"), -1)
		switch {
		case len(row) == 6 && row[0] != "NAME": // NAME VERSION UPTIME STATUS REPLICAS ENDPOINT
			row[2], row[5] = "UPTIME", "ENDPOINT"
		case len(row) == 8 && row[0] != "SERVICE_NAME": // SERVICE_NAME ID VERSION ENDPOINT LAUNCHED RESOURCES STATUS REGION
			row[3] = regexp.MustCompile(`^http://[0-9.]+:`).ReplaceAllString(row[3], "http://IP:")
			row[4] = regexp.MustCompile(`^[0-9]+ (sec|min)s? ago$`).ReplaceAllString(row[4], "AGO")
		default:
			continue
		}
		kept = append(kept, strings.Join(row, "  "))
	}
	return strings.Join(kept, "\n")
}

// shows waits until the tables are these.
func (s *transcript) shows(what, want string) {
	s.t.Helper()
	want = strings.ReplaceAll(strings.TrimSpace(want), "\t", "")
	enough := time.After(patience)
	for {
		select {
		case got := <-s.tables:
			s.seen = append(s.seen, got)
			if got == want {
				s.seen = nil
				return
			}
		case <-enough:
			s.t.Fatalf("%s: the tables were never\n%s\nbut\n%s", what, want, strings.Join(s.seen, "\n\n"))
		}
	}
}
