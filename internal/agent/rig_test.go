// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// TestMain lets the test binary stand in for the program: started as an agent it
// is one.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "agent" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		if err := Run(ctx, Options{Dir: os.Args[3], Log: log}); err != nil {
			panic(err)
		}
		return
	}
	m.Run()
}

const waiting = 30 * time.Second

func ref(id int64) serve.Ref { return serve.Ref{Service: "web", UID: "5f3c", Replica: id} }

func secret() []byte { return bytes.Repeat([]byte("s3cr3t"), 8) }

// rig is a machine that has just got its user data, and its cloud's metadata.
type rig struct {
	*testing.T
	ctx     context.Context
	dir     string
	address string
	keys    Keys
	program *Program
	cloud   *cloud

	mu      sync.Mutex
	service *os.Process // what unit has started last
}

func newRig(t *testing.T, lease time.Duration) *rig {
	t.Helper()
	return newRigOf(t, "aws", lease)
}

func newRigOf(t *testing.T, provider string, lease time.Duration) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waiting)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx, dir: t.TempDir(), address: freePort(t), cloud: newCloud(t)}
	var err error
	if r.keys, err = NewKeys(secret(), ref(7)); err != nil {
		t.Fatal(err)
	}
	if r.program, err = OpenProgram(os.Args[0]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.program.Close() })
	birth, err := r.keys.BirthPEM()
	if err != nil {
		t.Fatal(err)
	}
	text, err := bootstrap.UserData(bootstrap.Config{
		Cloud: provider, Port: r.port(), Program: r.program.Digest(), Lease: lease,
		Controller: r.keys.ControllerPEM(), Birth: birth,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The environment is that of the whole process: no other test may run meanwhile.
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", r.cloud.server.URL)
	r.write(text)
	return r
}

// write does what cloud-init does with user data, in a directory of the test's own.
func (r *rig) write(userData string) {
	r.Helper()
	var data struct {
		WriteFiles []struct{ Path, Permissions, Content string } `yaml:"write_files"`
	}
	if err := yaml.Unmarshal([]byte(userData), &data); err != nil {
		r.Fatal(err)
	}
	for _, f := range data.WriteFiles {
		mode, err := strconv.ParseUint(f.Permissions, 8, 32)
		if err != nil {
			r.Fatal(err)
		}
		name := strings.Replace(f.Path, bootstrap.Dir, r.dir, 1)
		content := strings.ReplaceAll(f.Content, bootstrap.Dir, r.dir)
		if err := os.WriteFile(name, []byte(content), os.FileMode(mode)); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *rig) port() int {
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		r.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		r.Fatal(err)
	}
	return n
}

// agent runs an agent in this process until the test or the returned function ends it.
func (r *rig) agent() (stop func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		log := slog.New(slog.NewTextHandler(r.Output(), nil))
		if err := Run(ctx, Options{Dir: r.dir, Log: log}); err != nil {
			r.Errorf("Run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.Cleanup(stop)
	return stop
}

// unit does what systemd does with the service, until the returned function ends
// it: it starts it again whenever it has ended.
func (r *rig) unit() (stop func()) {
	r.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "serve-agent.service"))
	if err != nil {
		r.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/bin/sh -c '(.*)'$`).FindSubmatch(text)
	if start == nil {
		r.Fatalf("the unit starts nothing:\n%s", text)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, "/bin/sh", "-c", string(start[1]))
			cmd.Stdout, cmd.Stderr = r.Output(), r.Output()
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			err := cmd.Start()
			if err == nil {
				r.mu.Lock()
				r.service = cmd.Process
				r.mu.Unlock()
				err = cmd.Wait()
			}
			if err != nil && ctx.Err() == nil {
				r.Logf("the service has ended: %v", err)
			}
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.Cleanup(stop)
	return stop
}

// kill ends what unit has started as a fault would.
func (r *rig) kill() {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.service.Kill(); err != nil {
		r.Fatal(err)
	}
}

// work gives the path of a file in the working directory.
func (r *rig) work(name string) string { return filepath.Join(r.dir, workDir, name) }

// touch makes an empty file in the working directory, which a script waits for.
func (r *rig) touch(name string) {
	r.Helper()
	if err := os.WriteFile(r.work(name), nil, 0o600); err != nil {
		r.Fatal(err)
	}
}

// printed waits until the log is as it is to be.
func (r *rig) printed(c *Client, is func(log string) bool) string {
	r.Helper()
	var text string
	r.eventually("it prints what it is to", func() bool { text = r.log(c); return is(text) })
	return text
}

// eventually waits until something holds.
func (r *rig) eventually(what string, holds func() bool) {
	r.Helper()
	for !holds() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.ctx.Done():
			r.Fatalf("it never came to be that %s", what)
		}
	}
}

// client gives a client of the machine, which is a young one.
func (r *rig) client() *Client {
	c := NewClient(ClientOptions{Address: r.address, Keys: r.keys, Young: true})
	r.Cleanup(c.Close)
	return c
}

// supplies are what the machine needs to run a script.
func (r *rig) supplies(run string) Supplies {
	return Supplies{
		Order:   Order{Ref: ref(7), Task: serve.Task{Run: run}, Port: 8080, Lease: time.Hour},
		Program: r.program,
		Bundle:  func(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound },
	}
}

func (r *rig) furnish(c *Client, s Supplies) {
	r.Helper()
	if err := c.Furnish(r.ctx, s); err != nil {
		r.Fatalf("Furnish: %v", err)
	}
}

// await watches until a state is as it is to be.
func (r *rig) await(c *Client, what string, is func(State) bool) State {
	r.Helper()
	var last State
	err := c.Watch(r.ctx, func(s State) bool {
		last = s
		return !is(s)
	})
	if err != nil {
		r.Fatalf("%s never came: the last was %+v: %v", what, last, err)
	}
	return last
}

func exited(s State) bool { return s.Phase == PhaseExited }

// log gives all that was printed.
func (r *rig) log(c *Client) string {
	r.Helper()
	log, err := c.Logs(r.ctx, serve.LogOptions{})
	if err != nil {
		r.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

// packed packs directories into bundles, and gives their digests.
func packed(t *testing.T, paths ...string) (digests []string, open func(string) (io.ReadCloser, error)) {
	t.Helper()
	all := map[string][]byte{}
	for _, path := range paths {
		digest, err := bundle.Digest(path)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := bundle.Pack(&b, path); err != nil {
			t.Fatal(err)
		}
		digests, all[digest] = append(digests, digest), b.Bytes()
	}
	return digests, func(digest string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(all[digest])), nil
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// cloud is the metadata service of EC2, as a machine finds it.
type cloud struct {
	server *httptest.Server
	mu     sync.Mutex
	says   map[string]string
	tokens int // how many were given; only the last one is good
}

func newCloud(t *testing.T) *cloud {
	c := &cloud{says: map[string]string{"local-ipv4": "127.0.0.1"}}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *cloud) say(path, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.says[path] = text
}

// forget has all tokens that were given be good no longer.
func (c *cloud) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens++
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "" {
		c.tokens++
		io.WriteString(w, strconv.Itoa(c.tokens))
		return
	}
	if r.Header.Get("X-aws-ec2-metadata-token") != strconv.Itoa(c.tokens) {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	text, ok := c.says[strings.TrimPrefix(r.URL.Path, "/latest/meta-data/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	io.WriteString(w, text)
}
