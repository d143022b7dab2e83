// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/coder/websocket"
)

// browser is a headless Chromium with one page, driven by its DevTools protocol:
// its command line alone takes a picture when a page has loaded, and cannot wait
// for what comes by a stream.
type browser struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
	calls   int
}

// newBrowser opens a URL. Without a browser the test is skipped, but not in CI.
func newBrowser(t *testing.T, url string) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("there is no chromium on PATH; on Debian: apt-get install chromium")
	}
	if err != nil {
		t.Fatalf("CI is to look at the page: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--remote-debugging-port=0", "--user-data-dir="+t.TempDir(), "about:blank")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, cmd.Start)
	var address string
	lines := bufio.NewScanner(said)
	for address == "" && lines.Scan() {
		address = regexp.MustCompile(`ws://127\.0\.0\.1:\S+`).FindString(lines.Text())
	}
	if address == "" {
		t.Fatalf("chromium does not say where to reach it: %v, %v", lines.Err(), cmd.Wait())
	}
	conn, _, err := websocket.Dial(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	b := &browser{t: t, conn: conn}
	t.Cleanup(func() {
		for lines.Scan() { // what it says besides is of no interest, and must not hold it up
		}
		_ = cmd.Wait()
	})
	t.Cleanup(func() { _ = conn.CloseNow(); _ = cmd.Process.Kill() })
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.navigate", map[string]any{"url": url}, &struct{}{})
	return b
}

// call calls a method of the protocol and waits for its result.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.calls++
	request := map[string]any{"id": b.calls, "method": method, "params": params}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err == nil {
		err = b.conn.Write(b.t.Context(), websocket.MessageText, text)
	}
	for err == nil {
		var answer struct {
			ID     int
			Error  json.RawMessage
			Result json.RawMessage
		}
		if _, text, err = b.conn.Read(b.t.Context()); err != nil {
			break
		}
		if err = json.Unmarshal(text, &answer); err != nil || answer.ID != b.calls {
			continue // something it tells unasked
		}
		if answer.Error != nil {
			b.t.Fatalf("%s: %s", method, answer.Error)
		}
		if err = json.Unmarshal(answer.Result, result); err == nil {
			return
		}
	}
	b.t.Fatalf("%s: %v", method, err)
}

// eval gives the value of an expression in the page; a promise is waited for.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	return answer.Result.Value
}

// until waits until a condition holds in the page, which is looked at whenever
// the page changes.
func (b *browser) until(condition string) {
	b.t.Helper()
	b.eval(`new Promise((done, late) => {
		const look = () => { if (` + condition + `) done(true); };
		new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true});
		setTimeout(() => late(document.body.innerText), 60000);
		look();
	})`)
}

// picture takes a picture of the whole page at a width and keeps it.
func (b *browser) picture(name string, width int, scheme string) image.Image {
	b.t.Helper()
	none := &struct{}{}
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, none)
	size := map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
	b.call("Emulation.setDeviceMetricsOverride", size, none)
	size["height"] = b.eval("document.documentElement.scrollHeight")
	b.call("Emulation.setDeviceMetricsOverride", size, none)
	if wide := b.eval("document.documentElement.scrollWidth"); wide != float64(width) {
		b.t.Errorf("%s: %v pixels are needed and %d are there", name, wide, width)
	}
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	path := filepath.Join(b.t.ArtifactDir(), name+".png")
	mustDo(b.t, func() error { return os.WriteFile(path, shot.Data, 0o600) })
	b.t.Logf("%s: %s", name, path)
	picture, err := png.Decode(bytes.NewReader(shot.Data))
	if err != nil {
		b.t.Fatal(err)
	}
	if picture.Bounds().Dx() != width || colours(picture) < 30 {
		b.t.Errorf("%s: the picture is %v with %d colours", name, picture.Bounds(), colours(picture))
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
