// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// What every request must be signed with, and the account that it is of.
const (
	AccessKey = "AKIASERVEFORTESTS001"
	SecretKey = "secret-access-key-of-nobody"
	Account   = "123456789012"
)

// Options say what kind of AWS a test needs. The zero value is one whose
// instances are records, which start and end at once and never fail.
type Options struct {
	// Seed makes ids and chances. The same calls in the same order then lead to
	// the same ids and failures.
	Seed uint64
	// Machines has every instance run its user data; see the package comment. The
	// test is skipped where that cannot be done, and fails there in CI.
	Machines bool
	// Pending is how long an instance is pending, at least.
	Pending time.Duration
	// Stopping is how long an instance shuts down. With Machines it is how long it
	// may: then everything on it is killed. Zero stands for ten seconds there.
	Stopping time.Duration
	// Noticing is how long an Auto Scaling group takes to notice that an instance has
	// ended, or does not work any more.
	Noticing time.Duration
	// Ports are what elastic addresses pass on of to Machines.
	Ports []int
}

// AWS is one account in three regions. Its methods may be called from several
// goroutines.
type AWS struct {
	Controls

	t        testing.TB
	options  Options
	services map[string]*service

	mu      sync.Mutex
	random  *rand.Rand
	regions map[string]*region
	books   books
	faults  cloudtest.Faults[Call, Error]
	serial  int
	// roles and profiles are IAM's, which has no regions; a bucket is in one, but its
	// name in all of them.
	roles    []*role
	profiles []*profile
	buckets  []*bucket
	// closed is closed when the test ends; tending begins when there is a group of
	// machines.
	closed  chan struct{}
	tending sync.Once

	// Of the listener, which is there once somebody asks for its address.
	listen sync.Once
	server *httptest.Server
	// machines that run; the test waits for them.
	machines sync.WaitGroup
}

// New gives an AWS that lives as long as the test.
func New(t testing.TB, options Options) *AWS {
	t.Helper()
	if options.Machines {
		machinetest.Need(t)
		if options.Stopping == 0 {
			options.Stopping = 10 * time.Second
		}
	}
	services, err := newServices()
	if err != nil {
		t.Fatalf("beginning to be AWS: %v", err)
	}
	a := &AWS{
		t: t, options: options, services: services,
		random:  rand.New(rand.NewPCG(options.Seed, 0x5e2)), //nolint:gosec // ids for tests, the same in each run
		regions: map[string]*region{}, closed: make(chan struct{}),
		books: books{calls: map[string]int{}},
	}
	a.Controls = cloudtest.NewControls(&a.mu, &a.faults)
	for _, name := range regionNames() {
		a.regions[name] = a.newRegion(name)
	}
	t.Cleanup(a.end)
	return a
}

// end kills what still runs, and waits until it is gone.
func (a *AWS) end() {
	if a.server != nil {
		a.server.CloseClientConnections()
		a.server.Close()
	}
	a.mu.Lock()
	close(a.closed)
	for _, r := range a.regions {
		for _, i := range r.instances {
			i.unplanned()
			if i.machine != nil {
				i.machine.Kill()
			}
			if text := i.console.Text(); text != "" && a.t.Failed() {
				a.t.Logf("the console of instance %s:\n%s", i.id, text)
			}
		}
		for _, e := range r.addresses {
			a.part(e)
			e.way.Close()
		}
	}
	a.mu.Unlock()
	a.machines.Wait()
}

// Endpoint is the URL that AWS_ENDPOINT_URL takes. The listener behind it, on
// loopback, is there from the first call on.
func (a *AWS) Endpoint() string {
	a.listen.Do(func() { a.server = httptest.NewServer(a) })
	return a.server.URL
}

// Environ has what the SDK and the command line of AWS read from the
// environment, as os.Environ would give it. Settings of the person who runs the
// test are out of their sight.
func (a *AWS) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + a.Endpoint(),
		"AWS_ACCESS_KEY_ID=" + AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + SecretKey,
		"AWS_REGION=us-east-1",
		"AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Alone has the SDK find the keys of every AWS here in the environment of this process,
// and nothing of the person who runs the tests.
func Alone() {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		os.Setenv(name, value)
	}
	os.Unsetenv("AWS_CA_BUNDLE") // which has no place in a way that is no network's
}

// Client gives a client that needs no network: whatever it is asked, of whatever
// host, is answered within the call itself. No goroutine is started and no time
// passes but time.Now's, so that it can be used within a bubble of
// testing/synctest.
func (a *AWS) Client() *http.Client { return cloudtest.Client(a.answer) }

// id gives a new id such as EC2 does: i-0123456789abcdef0.
func (a *AWS) id(prefix string) string {
	return fmt.Sprintf("%s-0%016x", prefix, a.random.Uint64())
}

// errorf tells the test that something is wrong, and goes on.
func (a *AWS) errorf(format string, args ...any) {
	a.t.Helper()
	a.t.Errorf(format, args...)
}
