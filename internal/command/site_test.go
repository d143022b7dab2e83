// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// serverVariable makes the test binary the server that replicas run.
const serverVariable = "TEST_SERVER"

func TestMain(m *testing.M) {
	if machinetest.Be() {
		return
	}
	if os.Getenv(serverVariable) != "" {
		runServer()
		return
	}
	// Terraform is to read no configuration but what a test gives it.
	os.Setenv("TF_CLI_CONFIG_FILE", os.DevNull)
	os.Setenv("CHECKPOINT_DISABLE", "1")
	addAWSSweeper()
	addGCPSweeper()
	resource.TestMain(m)
}

// slowAnswer is how long the server takes to answer /slow.
const slowAnswer = 300 * time.Millisecond

// behaviourVariable makes the server a bad one.
const behaviourVariable = "BEHAVIOUR"

// runServer answers every request with the replica's id, and /slow slowly. There
// are several ways in which it may do worse.
func runServer() {
	address := net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT"))
	behaviour := os.Getenv(behaviourVariable)
	switch behaviour {
	case "crashes":
		fmt.Println("cannot open model.bin")
		os.Exit(3)
	case "never opens its port":
		<-time.After(time.Hour)
	case "flaps":
		time.AfterFunc(time.Second, func() { os.Exit(4) })
	}
	fmt.Println("listening on", address)
	err := http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch behaviour {
		case "hangs":
			<-r.Context().Done()
			return
		case "answers 500":
			http.Error(w, "cannot open model.bin", http.StatusInternalServerError)
			return
		}
		if r.URL.Path == "/slow" {
			select {
			case <-time.After(slowAnswer):
			case <-r.Context().Done():
			}
		}
		fmt.Fprintf(w, "replica %s %s\n", os.Getenv("SERVE_REPLICA_ID"), os.Getenv("GREETING"))
	}))
	fmt.Println("stopped:", err)
}

// binary gives the path of the program: $SERVE_BINARY, or what is built now.
func binary() (string, error) {
	if path := os.Getenv("SERVE_BINARY"); path != "" {
		return path, nil
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("finding the build cache: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(cache)), "serve-test", "terraform-provider-serve")
	build := exec.Command("go", "build", "-o", path, "github.com/serve-infra/terraform-provider-serve")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as it is released
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
}

// site is a home directory of its own in which services are really run.
type site struct {
	t        testing.TB
	home     string
	binary   string
	deployer serve.Deployer
	cloud    *local.Cloud
}

func newSite(t testing.TB) *site {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	s := &site{
		t: t, home: home, binary: path,
		deployer: localDeployer(home, &agent.Programs{Own: path}, nil, nil),
		cloud:    local.NewCloud(local.CloudOptions{Root: home, Executable: path}),
	}
	t.Cleanup(func() {
		ctx := context.Background()
		names, err := s.deployer.List(ctx)
		if err != nil {
			t.Error(err)
		}
		for _, name := range names {
			if _, err := s.deployer.Destroy(ctx, name); err != nil {
				t.Error(err)
			}
		}
		if left := s.processes(); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
	})
	return s
}

// processes gives the command lines of all processes that live in the home,
// but for the test itself.
func (s *site) processes() []string {
	var found []string
	for _, pid := range s.pids() {
		line, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		found = append(found, pid+" "+strings.ReplaceAll(string(line), "\x00", " "))
	}
	return found
}

// pids finds the processes that carry the home in their environment or name it
// in their command line. It is empty where there is no /proc.
func (s *site) pids() []string {
	entries, _ := os.ReadDir("/proc")
	var pids []string
	for _, e := range entries {
		environ, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || e.Name() == fmt.Sprint(os.Getpid()) || e.Name() == "self" || e.Name() == "thread-self" {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if strings.Contains(string(environ)+string(line), s.home) {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// spec is a service of min to max spot replicas with dynamic fallback that runs
// the test's own server.
func (s *site) spec(name string, replicas int) serve.Spec {
	spec := serve.NewSpec(name)
	spec.ReadinessProbe.Path = "/health"
	spec.ReadinessProbe.EndpointProbeIntervalSeconds = 0.2
	spec.ReplicaPolicy = serve.FixedReplicas(replicas)
	spec.ReplicaPolicy.Fixed = false
	spec.ReplicaPolicy.DynamicOndemandFallback = true
	spot := true
	spec.Resources.UseSpot, spec.Resources.Ports = &spot, "8081"
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	spec.Envs = map[string]string{serverVariable: "1"}
	spec.Run = "exec '" + self + "'"
	return spec
}

// deploy makes sure that a controller runs and applies the spec.
func (s *site) deploy(spec serve.Spec) serve.Client {
	s.t.Helper()
	client, err := s.deployer.Deploy(s.t.Context(), spec.Name, serve.DeployOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := client.Apply(s.t.Context(), spec, serve.ApplyOptions{}); err != nil {
		s.t.Fatal(err)
	}
	return client
}

// patience is how long a test waits for what must come soon, on a busy machine.
const patience = time.Minute

// await waits until the service is as wanted.
func await(t testing.TB, client serve.Client, what string, wanted func(serve.Service) bool) serve.Service {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last serve.Service
	err := client.Watch(ctx, func(s serve.Service) bool {
		last = s
		return !wanted(s)
	})
	if err != nil {
		var table strings.Builder
		_ = writeTables(&table, []serve.Service{last}, last.UpdatedAt, true)
		t.Fatalf("waiting for %s: %v\n%s", what, err, &table)
	}
	return last
}

// spotOnly says that exactly n replicas are there, all READY and on spot.
func spotOnly(n int) func(serve.Service) bool {
	return func(s serve.Service) bool {
		return s.Counts == serve.Counts{Ready: n, Total: n, Spot: n, Failed: s.Counts.Failed}
	}
}

// controllerPID gives the process id of a service's controller.
func (s *site) controllerPID(service string) int {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.home, "controllers", service, "access.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var access struct {
		Process struct {
			PID int `json:"pid"`
		} `json:"process"`
	}
	if err := json.Unmarshal(data, &access); err != nil || access.Process.PID == 0 {
		s.t.Fatalf("reading access.json: %v\n%s", err, data)
	}
	return access.Process.PID
}

// killController kills a service's controller as a crash would.
func (s *site) killController(service string) {
	s.t.Helper()
	if err := syscall.Kill(s.controllerPID(service), syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}
