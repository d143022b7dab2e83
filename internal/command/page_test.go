// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestThePageIsNotPublicByMistake(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":8080", "192.0.2.1:80", "localhost.example.com:80"} {
		var out, errs bytes.Buffer
		p := Program{Version: "test", Stdout: &out, Stderr: &errs}
		if code := p.Run([]string{"page", "web", "--home", t.TempDir(), "--listen", address}); code != 2 || !strings.Contains(errs.String(), "no login") {
			t.Errorf("%s: exit code %d, %s", address, code, &errs)
		}
	}
}

func TestAccPage(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("runs real processes and a browser; TF_ACC=1 or make test does so")
	}
	s := newSite(t)
	client := s.deploy(s.spec("web", 2))
	await(t, client, "2/2 on spot", spotOnly(2))
	mustDo(t, func() error { return s.cloud.Preempt(t.Context(), "web", 1) })
	service := await(t, client, "2/2 on spot again", func(s serve.Service) bool {
		return spotOnly(2)(s) && len(s.Ledger.Machines) == 2 && s.Ledger.Interrupted == 1 && !s.Ledger.Interruptions[0].Over.IsZero()
	})
	url := service.StatusPage
	if out, err := exec.Command(s.binary, "page", "web", "--home", s.home).CombinedOutput(); err != nil || !strings.Contains(string(out), " at "+url+" ") {
		t.Errorf("the page is at %q, and the program says %s, %v", url, out, err)
	}
	if metrics := fetch(t, url+"metrics"); !strings.Contains(metrics, `serve_interruptions_total{service="web"} 1`) {
		t.Errorf("metrics are\n%s", metrics)
	}

	// The page says what the API says.
	var data struct {
		At            time.Time
		Spent, Saved  float64
		Counts        serve.Counts
		Interruptions []serve.Interruption
	}
	before := time.Now()
	mustDo(t, func() error { return json.Unmarshal([]byte(fetch(t, url+"data")), &data) })
	text := fetch(t, url)
	after := time.Now()
	books := service.Ledger.Until(data.At)
	if math.Abs(data.Spent-books.Spent()) > 1e-12 || math.Abs(data.Saved-books.Saved) > 1e-12 || data.Counts != service.Counts {
		t.Errorf("the page's figures are %+v, the API's %+v, %+v", data, books, service.Counts)
	}
	if diff := cmp.Diff(service.Ledger.Interruptions, data.Interruptions); diff != "" {
		t.Errorf("interruptions (-API +page):\n%s", diff)
	}
	for name, bounds := range map[string][2]float64{
		"spent":       {service.Ledger.Until(before).Spent(), service.Ledger.Until(after).Spent()},
		"saved":       {service.Ledger.Until(before).Saved, service.Ledger.Until(after).Saved},
		"interrupted": {1, 1},
	} {
		if got := figure(t, text, name); got < bounds[0] || got > bounds[1] || got <= 0 {
			t.Errorf("%s is %v on the page, and from %v to %v by the API", name, got, bounds[0], bounds[1])
		}
	}

	// It says it elsewhere as well.
	var other struct{ Interruptions []serve.Interruption }
	mustDo(t, func() error { return json.Unmarshal([]byte(fetch(t, s.page("web")+"data")), &other) })
	if diff := cmp.Diff(data.Interruptions, other.Interruptions); diff != "" {
		t.Errorf("interruptions (-controller +page):\n%s", diff)
	}

	// A browser shows it, and hears of changes.
	t.Run("browser", func(t *testing.T) {
		b := newBrowser(t, url)
		b.until(`document.getElementById("link")?.textContent === "Live."`)
		lost := service.Replicas[0].ID
		mustDo(t, func() error { return s.cloud.Preempt(t.Context(), "web", lost) })
		b.until(`document.getElementById("interrupted")?.textContent === "2"`)
		await(t, client, "2/2 on spot once more", spotOnly(2))
		b.until(`document.querySelectorAll("#replicas + table .good").length === 2`)

		// While on-demand replicas stand in, it says so, and as many as the API does.
		mustDo(t, func() error { return s.cloud.SetCapacity(t.Context(), "*", serve.Spot, 0) })
		standing := await(t, client, "on-demand in the place of spot", func(s serve.Service) bool { return s.Counts.OnDemand == 2 && s.Counts.Spot == 0 })
		b.until(`[...document.querySelectorAll("#replicas + table tr")].filter(r => r.textContent.includes("on-demand") && r.querySelector(".good")).length === 2`)
		mustDo(t, func() error { return json.Unmarshal([]byte(fetch(t, url+"data")), &data) })
		if data.Counts.OnDemand != standing.Counts.OnDemand || data.Counts.Ready != standing.Counts.Ready {
			t.Errorf("during a fallback the page's figures are %+v, the API's %+v", data.Counts, standing.Counts)
		}
		b.picture("fallback", 1280, "light")
		mustDo(t, func() error { return s.cloud.SetCapacity(t.Context(), "*", serve.Spot, 8) })
		await(t, client, "2/2 on spot after the fallback", spotOnly(2))
		b.picture("phone", 360, "light")
		b.picture("desktop", 1280, "light")
		b.picture("dark", 390, "dark")
	})
}

// page serves the page of a service by a process of its own, which ends well
// when it is interrupted, and gives its URL.
func (s *site) page(name string) string {
	s.t.Helper()
	cmd := exec.Command(s.binary, "page", name, "--home", s.home, "--listen", "127.0.0.1:0")
	cmd.Stderr = s.t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGINT), cmd.Wait()); err != nil {
			s.t.Errorf("the page ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://\S+/`).FindString(line)
	if err != nil || url == "" {
		s.t.Fatalf("the page said %q, %v", line, err)
	}
	return url
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, resp.Status, err, body)
	}
	return string(body)
}

// figure finds a figure on the page by its id.
func figure(t *testing.T, page, id string) float64 {
	t.Helper()
	found := regexp.MustCompile(`id="` + id + `"(?: value="([^"]+)"[^>]*)?>([^<]*)<`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page has no %s:\n%s", id, page)
	}
	text := found[2]
	if found[1] != "" {
		text = found[1]
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
