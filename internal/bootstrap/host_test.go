// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bootstrap

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func host() Host {
	return Host{
		Cloud: "aws", Service: "web", Region: "eu-north-1", Bucket: "serve-web-0af50af50af5",
		BucketURL: "https://serve-web-0af50af50af5.s3.eu-north-1.amazonaws.com",
	}
}

func hostData(t *testing.T) string {
	t.Helper()
	text, err := HostData(host())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestHostDataIsAsWritten(t *testing.T) {
	t.Parallel()
	asWritten(t, "testdata/golden/host-data.yaml", hostData(t))
}

func TestToolsTakeTheHostData(t *testing.T) {
	t.Parallel()
	text := hostData(t)
	dir := t.TempDir()
	put := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files, commands := read(t, text)
	if len(files) != 3 || len(commands) != 1 {
		t.Errorf("it has files %v and commands %v", files, commands)
	}
	ask(t, tool(t, "cloud-init"), "schema", "--config-file", put("user-data", text))
	ask(t, tool(t, "systemd-analyze"), "verify", put(hostUnitFile, files[hostUnitFile].Content))
	python, fetch := tool(t, "python3"), put("fetch.py", files["fetch.py"].Content)
	ask(t, python, "-W", "error", "-m", "py_compile", fetch)
	ask(t, python, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))", fetch)
}

func TestAHostKnowsWhereTheRestIs(t *testing.T) {
	t.Parallel()
	for name, without := range map[string]func(*Host){
		"cloud": func(h *Host) { h.Cloud = "" }, "service": func(h *Host) { h.Service = "" }, "region": func(h *Host) { h.Region = "" },
		"bucket": func(h *Host) { h.Bucket = "" }, "where that is": func(h *Host) { h.BucketURL = "" },
	} {
		h := host()
		without(&h)
		if _, err := HostData(h); !errors.Is(err, serve.ErrInvalid) {
			t.Errorf("without the %s: %v, want %v", name, err, serve.ErrInvalid)
		}
	}
}

func TestTheScriptOfAHostIsAsWritten(t *testing.T) {
	t.Parallel()
	h := Host{
		Cloud: "gcp", Service: "web", Region: "europe-north1", Bucket: "serve-web-0af50af50af5",
		BucketURL: "https://storage.googleapis.com/storage/v1/b/serve-web-0af50af50af5/o",
	}
	text, err := HostScript(h, "/var/lib/google/serve", 80, 9737)
	if err != nil {
		t.Fatal(err)
	}
	asWritten(t, "testdata/golden/host-script.sh", text)
	path := filepath.Join(t.TempDir(), "host-script.sh")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, tool(t, "sh"), "-n", path)
	h.BucketURL = ""
	if _, err := HostScript(h, "/var/lib/google/serve"); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("without where the bucket is: %v, want %v", err, serve.ErrInvalid)
	}
}
