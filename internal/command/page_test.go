// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	url := s.page("web")

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

	// A browser shows it, and hears of changes.
	t.Run("browser", func(t *testing.T) { browse(t, url) })
}

// page serves the page of a service by a process of its own, which ends well
// when it is interrupted, and gives its URL.
func (s *site) page(name string) string {
	s.t.Helper()
	cmd := exec.Command(s.binary, "page", name, "--home", s.home)
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

// browse looks at the page as a phone and as a desktop would, and keeps what it saw.
func browse(t *testing.T, url string) {
	chromium, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("there is no chromium on PATH; on Debian: apt-get install chromium")
	}
	if err != nil {
		t.Fatalf("CI is to look at the page: %v", err)
	}
	run := func(arguments ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), chromium, append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
			"--no-first-run", "--disable-background-networking", "--disable-component-update",
			"--user-data-dir=" + t.TempDir(), "--timeout=4000",
		}, append(arguments, url)...)...)
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("running chromium: %v", err)
		}
		return string(out)
	}
	if dom := run("--dump-dom"); !strings.Contains(dom, ">Live.<") {
		t.Errorf("the browser does not hear of changes:\n%s", dom)
	}
	for name, size := range map[string]image.Point{"phone": {390, 1900}, "desktop": {1280, 1400}} {
		path := filepath.Join(t.ArtifactDir(), name+".png")
		run("--screenshot="+path, "--window-size="+strconv.Itoa(size.X)+","+strconv.Itoa(size.Y))
		picture := decode(t, path)
		if seen := colours(picture); seen < 30 || picture.Bounds().Dx() != size.X {
			t.Errorf("the picture of a %s is %v with %d colours", name, picture.Bounds(), seen)
		}
		t.Logf("%s: %s", name, path)
	}
}

func decode(t *testing.T, path string) image.Image {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// colours counts the colours of a picture: a blank one has one.
func colours(picture image.Image) int {
	seen := map[any]bool{}
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y++ {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x++ {
			seen[picture.At(x, y)] = true
		}
	}
	return len(seen)
}
