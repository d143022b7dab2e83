// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// The project that everything is in, who owns it, and a service account that may do
// what the owner may.
const (
	Project       = "serve-tests"
	ProjectNumber = "123456789012"
	Owner         = "owner@serve.test"
	Account       = "terraform@" + accountDomain
)

const (
	accountDomain = Project + ".iam.gserviceaccount.com"
	// defaultAccount is the service account that every project has for its instances.
	defaultAccount = ProjectNumber + "-compute@developer.gserviceaccount.com"
)

// Options say what kind of cloud a test needs. The zero value is one whose instances
// are records, which start and end at once and never fail.
type Options struct {
	// Seed makes ids and chances. The same calls in the same order then lead to the
	// same ids and failures.
	Seed uint64
	// Machines has every instance run its startup script; see the package comment. The
	// test is skipped where that cannot be done, and fails there in CI.
	Machines bool
	// Pending is how long an instance is provisioned and staged, and the operation
	// that has made it is not done.
	Pending time.Duration
	// Stopping is how long an instance stops. With Machines it is how long it may:
	// then everything on it is killed. Zero stands for ten seconds there.
	Stopping time.Duration
	// Ports are what reserved addresses pass on of to Machines.
	Ports []int
}

// GCP is one project in three regions of Google Cloud. Its methods may be called from
// several goroutines.
type GCP struct {
	Controls

	t        testing.TB
	options  Options
	services []*service

	mu       sync.Mutex
	random   *rand.Rand
	books    books
	faults   cloudtest.Faults[Call, Error]
	lost     map[string]bool // zones that nobody is told of
	serial   uint64
	accounts map[string]*account // by address
	tokens   map[string]grant
	roles    map[string]*role   // by name
	policies map[string]*policy // by what they are of
	compute  compute
	storage  storage

	// Of the listener, which is there once somebody asks for its address.
	listen sync.Once
	server *httptest.Server
	// machines that run; the test waits for them.
	machines sync.WaitGroup
}

// New gives a Google Cloud that lives as long as the test.
func New(t testing.TB, options Options) *GCP {
	t.Helper()
	if options.Machines {
		machinetest.Need(t)
		if options.Stopping == 0 {
			options.Stopping = 10 * time.Second
		}
	}
	services, err := newServices()
	if err != nil {
		t.Fatalf("beginning to be Google Cloud: %v", err)
	}
	g := &GCP{
		t: t, options: options, services: services,
		random:   rand.New(rand.NewPCG(options.Seed, 0x6c9)), //nolint:gosec // ids for tests, the same in each run
		lost:     map[string]bool{},
		books:    books{calls: map[string]int{}, asked: map[string]map[string]bool{}},
		accounts: map[string]*account{}, tokens: map[string]grant{},
		roles: map[string]*role{}, policies: map[string]*policy{}, storage: storage{buckets: map[string]*bucket{}, uploads: map[string]*upload{}},
	}
	g.Controls = cloudtest.NewControls(&g.mu, &g.faults)
	for _, address := range []string{Account, defaultAccount} {
		g.accounts[address] = &account{address: address, id: g.id(), owner: address == Account}
	}
	g.compute = g.newCompute()
	t.Cleanup(g.end)
	return g
}

// end kills what still runs, and waits until it is gone.
func (g *GCP) end() {
	if g.server != nil {
		g.server.CloseClientConnections()
		g.server.Close()
	}
	g.mu.Lock()
	g.endCompute()
	g.mu.Unlock()
	g.machines.Wait()
}

// Endpoint is the URL that stands for those of Google's own: what comes after it tells
// the APIs apart, as it does there. The listener behind it, on loopback, is there from
// the first call on.
func (g *GCP) Endpoint() string {
	g.listen.Do(func() { g.server = httptest.NewServer(g) })
	return g.server.URL
}

// Endpoints has the endpoint of each API that there is, by its name.
func (g *GCP) Endpoints() map[string]string {
	out := map[string]string{}
	for _, s := range g.services {
		out[s.name] = g.Endpoint() + "/" + s.model.ServicePath
	}
	return out
}

// Environ has what Google's clients and its command line read from the environment, as
// os.Environ would give it. Settings of the person who runs the test are out of their
// sight.
func (g *GCP) Environ() []string {
	dir := g.t.TempDir()
	file := filepath.Join(dir, "key.json")
	if err := os.WriteFile(file, g.Credentials(), 0o600); err != nil {
		g.t.Fatalf("writing a key: %v", err)
	}
	environ := []string{
		"GOOGLE_APPLICATION_CREDENTIALS=" + file, "GOOGLE_CLOUD_PROJECT=" + Project,
		"CLOUDSDK_CONFIG=" + dir, "CLOUDSDK_CORE_PROJECT=" + Project, "CLOUDSDK_AUTH_ACCESS_TOKEN=" + g.Token(Owner),
		"CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1",
		"NO_GCE_CHECK=True", // nor is it to find out where it is
	}
	for name, url := range g.Endpoints() {
		environ = append(environ, "CLOUDSDK_API_ENDPOINT_OVERRIDES_"+strings.ToUpper(name)+"="+url)
	}
	return environ
}

// Alone has Google's clients find nothing of the person who runs the tests in the
// environment of this process.
func Alone() {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"GOOGLE_", "GCLOUD_", "CLOUDSDK_", "GCE_METADATA_"} {
			if strings.HasPrefix(name, prefix) {
				os.Unsetenv(name)
			}
		}
	}
}

// Client gives a client that needs no network: whatever it is asked, of whatever host
// of Google's, is answered within the call itself. No goroutine is started and no time
// passes but time.Now's, and what operations are waited for, so that it can be used
// within a bubble of testing/synctest.
func (g *GCP) Client() *http.Client { return cloudtest.Client(g.answer) }

// id gives a new id such as Google does, which is a number.
func (g *GCP) id() uint64 { return 1e18 + g.random.Uint64N(8e18) }

// number gives the next number of a series, which makes names that differ.
func (g *GCP) number() string {
	g.serial++
	return strconv.FormatUint(g.serial, 10)
}

// errorf tells the test that something is wrong, and goes on.
func (g *GCP) errorf(format string, args ...any) {
	g.t.Helper()
	g.t.Errorf(format, args...)
}
