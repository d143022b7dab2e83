// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// recorder is a registry on loopback that notes what is sent to it. With a
// password it wants that of the user.
type recorder struct {
	http.Handler
	password string

	mu   sync.Mutex
	sent []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if _, password, _ := request.BasicAuth(); password != r.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		r.mu.Lock()
		r.sent = append(r.sent, request.Method+" "+request.URL.Path)
		r.mu.Unlock()
	}
	r.Handler.ServeHTTP(w, request)
}

// all gives what was sent since it was last asked.
func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

// newRegistry starts a registry and gives its host.
func newRegistry(t *testing.T, password string) (*recorder, string) {
	t.Helper()
	r := &recorder{Handler: registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug))), password: password}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, strings.TrimPrefix(server.URL, "http://")
}

// push pushes an image to where the text says.
func push(t *testing.T, image *Image, text string) (string, error) {
	t.Helper()
	target, err := ParseTarget(text, image.version, false)
	if err != nil {
		t.Fatal(err)
	}
	return image.Push(t.Context(), target)
}

func TestPushedOnceItIsThere(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	r, host := newRegistry(t, "")
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	reference, err := push(t, image, host+"/controller")
	if want := host + "/controller@" + image.Digest(); err != nil || reference != want {
		t.Fatalf("it is pushed as %q, and not as %q: %v", reference, want, err)
	}
	sent := r.all()
	if len(sent) == 0 || !strings.HasSuffix(sent[len(sent)-1], "/manifests/1.2.3") {
		t.Errorf("the tag was not the last thing sent: %v", sent)
	}
	for _, text := range []string{reference, host + "/controller:1.2.3"} {
		from, err := name.ParseReference(text)
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Index(from)
		if err != nil {
			t.Fatal(err)
		}
		if digest, err := pulled.Digest(); err != nil || digest != image.digest || validate.Index(pulled) != nil {
			t.Errorf("pulled from %s it is %s, and %v: %v", text, digest, validate.Index(pulled), err)
		}
	}
	if _, err := push(t, mustBuild(t, "1.2.3", binaries(t, "a program")), host+"/controller"); err != nil {
		t.Fatal(err)
	}
	if sent := r.all(); len(sent) > 0 {
		t.Errorf("pushed again, it was sent again: %v", sent)
	}
	if _, err := push(t, image, host+"/controller:stable"); err != nil {
		t.Fatal(err)
	}
	if sent := r.all(); len(sent) != 1 || sent[0] != "PUT /v2/controller/manifests/stable" {
		t.Errorf("under another tag, more than the tag was sent: %v", sent)
	}
}

// ensure sees to it that an image is where the text says.
func ensure(t *testing.T, image *Image, text string) (string, error) {
	t.Helper()
	target, err := ParseTarget(text, image.version, false)
	if err != nil {
		t.Fatal(err)
	}
	return image.Ensure(t.Context(), target)
}

func TestEnsurePushesOnlyWhatIsNotThere(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	r, host := newRegistry(t, "")
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	for _, row := range []struct {
		what  string
		image *Image
		at    string
		sends bool
	}{
		{"an image that is not there", image, "/controller", true},
		{"the same image", mustBuild(t, "1.2.3", binaries(t, "a program")), "/controller", false},
		{"the same image by another tag", image, "/controller:stable", false},
		{"another program", mustBuild(t, "1.2.3", binaries(t, "a better program")), "/controller", true},
		{"the image before, which its tag has left", image, "/controller", false},
		{"the same image in another repository", image, "/another/controller", true},
	} {
		repository, _, _ := strings.Cut(row.at, ":")
		reference, err := ensure(t, row.image, host+row.at)
		if want := host + repository + "@" + row.image.Digest(); err != nil || reference != want {
			t.Errorf("%s is %q, want %q: %v", row.what, reference, want, err)
		}
		if sent := r.all(); len(sent) > 0 != row.sends {
			t.Errorf("for %s this was sent: %v", row.what, sent)
		}
	}
}

func TestEnsureMakesARepositoryThatCannotBeReadYet(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	r, _ := newRegistry(t, "")
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if strings.HasSuffix(request.URL.Path, "/manifests/"+image.Digest()) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		r.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	if _, err := ensure(t, image, strings.TrimPrefix(server.URL, "http://")+"/controller"); err != nil || len(r.all()) == 0 {
		t.Errorf("it is not pushed: %v", err)
	}
}

func TestEnsureSaysWhyItCannot(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	image := mustBuild(t, "1.2.3", binaries(t, ""))
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusNotImplemented)
		}
	}))
	t.Cleanup(broken.Close)
	_, closed := newRegistry(t, "secret")
	for host, want := range map[string]string{
		strings.TrimPrefix(broken.URL, "http://"): "looking for the image in ",
		closed: "docker login",
	} {
		if _, err := ensure(t, image, host+"/controller"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one that says %q", err, want)
		}
	}
}

func TestPushTakesTheCredentialsOfDocker(t *testing.T) {
	_, host := newRegistry(t, "secret")
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	home := t.TempDir()
	t.Setenv("DOCKER_CONFIG", home)
	if _, err := push(t, image, host+"/controller"); err == nil || !strings.Contains(err.Error(), "pushing the image to "+host+"/controller:1.2.3 ") || !strings.Contains(err.Error(), "docker login") {
		t.Errorf("without credentials the error is %v", err)
	}
	config := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte("user:secret")))
	if err := os.WriteFile(filepath.Join(home, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := push(t, image, host+"/controller"); err != nil {
		t.Error(err)
	}
}

func TestPushStopsWhenTold(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	_, host := newRegistry(t, "")
	target, err := ParseTarget(host+"/controller", "1.2.3", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mustBuild(t, "1.2.3", binaries(t, "")).Push(ctx, target); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("the error is %v", err)
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text, version, want string
		insecure            bool
		scheme              string
	}{
		{"ghcr.io/serve-infra/controller", "1.2.3", "ghcr.io/serve-infra/controller:1.2.3", false, "https"},
		{"ghcr.io/serve-infra/controller", "1.2.3+linux", "ghcr.io/serve-infra/controller:1.2.3_linux", false, "https"},
		{"ghcr.io/serve-infra/controller:stable", "1.2.3", "ghcr.io/serve-infra/controller:stable", false, "https"},
		{"127.0.0.1:5000/controller", "1.2.3", "127.0.0.1:5000/controller:1.2.3", false, "http"},
		{"registry.example:5000/controller", "1.2.3", "registry.example:5000/controller:1.2.3", true, "http"},
	} {
		target, err := ParseTarget(row.text, row.version, row.insecure)
		if err != nil || target.tag.Name() != row.want || target.tag.Scheme() != row.scheme {
			t.Errorf("%s is %s over %s, %v", row.text, target.tag.Name(), target.tag.Scheme(), err)
		}
	}
	for _, text := range []string{"", "UPPER/case", "a b", "repository@sha256:" + strings.Repeat("0", 64)} {
		if _, err := ParseTarget(text, "1.2.3", false); err == nil || !strings.Contains(err.Error(), "is not REPOSITORY[:TAG]") {
			t.Errorf("%q: the error is %v", text, err)
		}
	}
}
