// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build linux

package machinetest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

func TestMain(m *testing.M) {
	if machinetest.Be() {
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "start-and-vanish" {
		// As a test binary that is killed.
		m, err := machinetest.Start(machinetest.Options{UserData: []byte(os.Args[2]), Console: os.Stdout})
		if err != nil {
			panic(err)
		}
		panic(m.Wait())
	}
	m.Run()
}

// console keeps what is printed, and lets a test wait for it.
type console struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// await waits until something was printed.
func (c *console) await(what string) {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(c.text(), what); {
		if time.Now().After(end) {
			c.t.Fatalf("%q was never printed, but:\n%s", what, c.text())
		}
		<-time.After(5 * time.Millisecond)
	}
}

func start(t *testing.T, userData string) (*machinetest.Machine, *console) {
	t.Helper()
	machinetest.Need(t)
	c := &console{t: t}
	m, err := machinetest.Start(machinetest.Options{
		Hostname: "ip-127-1-2-3", Environ: []string{"GREETING=hello"}, UserData: []byte(userData), Console: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill()
		if err := m.Wait(); err != nil {
			t.Errorf("the machine had trouble: %v\n%s", err, c.text())
		}
	})
	return m, c
}

// marked gives a name for a process that is found by it, and counts its like.
func marked(t *testing.T) (name string, count func() int) {
	name = "sleep-" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	return name, func() int {
		found, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, path := range found {
			if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(text), name+"\x00") {
				n++
			}
		}
		return n
	}
}

// gone waits until nothing is left.
func gone(t *testing.T, count func() int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); count() > 0; {
		if time.Now().After(end) {
			t.Fatal("a process of the machine outlives it")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestAMachineIsApart(t *testing.T) {
	t.Parallel()
	m, c := start(t, `#!/bin/sh
mkdir /opt/mine
touch /etc/machinetest /root/machinetest /tmp/machinetest /var/tmp/machinetest
echo "name $(hostname), greeting $GREETING, opt $(ls /opt), first $(tr '\0' ' ' </proc/1/cmdline), processes $(ls -d /proc/[0-9]* | wc -l)"
command -v shutdown; command -v systemctl
/sbin/shutdown -h now
`)
	if err := m.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, c.text())
	}
	for _, want := range []string{
		"name ip-127-1-2-3, greeting hello, opt mine, first machine-init ", "/usr/local/sbin/shutdown\n/usr/local/sbin/systemctl\n", "power off",
	} {
		if !strings.Contains(c.text(), want) {
			t.Errorf("%q is not in what was printed:\n%s", want, c.text())
		}
	}
	for _, path := range []string{"/opt/mine", "/etc/machinetest", "/root/machinetest", "/tmp/machinetest", "/var/tmp/machinetest"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("the machine has made %s on the computer", path)
		}
	}
}

// service is user data with a service that says when it is started and asked to
// end, and has a child in a session of its own.
const service = `#cloud-config
write_files:
  - path: /opt/it/serve.sh
    permissions: "0755"
    content: |
      #!/bin/bash
      trap 'echo asked to end; exit 0' TERM
      echo "started as $0"
      setsid bash -c 'exec -a NAME sleep 3600' &
      while [ ! -e /tmp/fail ]; do read -t 0.05 <> <(:); done
      rm /tmp/fail
      exit 3
  - path: /opt/it/it.service
    content: |
      [Unit]
      Description=It

      [Service]
      ExecStart=/bin/bash -c 'exec /opt/it/serve.sh'
      Restart=always
      RestartSec=0
      KillMode=mixed
      TimeoutStopSec=5
runcmd:
  - [systemctl, enable, --now, /opt/it/it.service]
  - systemctl is-active it && echo it is active
`

func TestAServiceIsStartedAgainAndStoppedWithAllThatCameOfIt(t *testing.T) {
	t.Parallel()
	name, count := marked(t)
	_, c := start(t, strings.ReplaceAll(service+`  - touch /tmp/fail
  - while [ -e /tmp/fail ]; do sleep 0.01; done; sleep 0.2; pgrep -cf "^NAME"
  - systemctl stop it; pgrep -cf "^NAME" || echo "none is"" left"
`, "NAME", name))
	c.await("none is left")
	got := c.text()
	if strings.Count(got, "started as /opt/it/serve.sh") != 2 || !strings.Contains(got, "ends with status 3") ||
		!strings.Contains(got, "asked to end") || !strings.Contains(got, "it is active") || count() != 0 {
		t.Errorf("%d processes are left, and this was printed:\n%s", count(), got)
	}
}

func TestAMachineEndsInEveryWay(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end   func(*machinetest.Machine)
		asked bool
	}{
		"shut down": {func(m *machinetest.Machine) { m.Stop(20 * time.Second) }, true},
		"killed":    {(*machinetest.Machine).Kill, false},
		"frozen and shut down in vain": {func(m *machinetest.Machine) {
			m.Freeze()
			m.Stop(200 * time.Millisecond)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark, count := marked(t)
			m, c := start(t, strings.ReplaceAll(service, "NAME", mark))
			c.await("it is active")
			for count() == 0 {
				<-time.After(time.Millisecond)
			}
			row.end(m)
			if err := m.Wait(); err != nil {
				t.Errorf("the machine had trouble: %v", err)
			}
			gone(t, count)
			if got := strings.Contains(c.text(), "asked to end"); got != row.asked {
				t.Errorf("that the service was asked to end is %v, want %v:\n%s", got, row.asked, c.text())
			}
		})
	}
}

func TestAMachineIsStartedAgainOnItsGround(t *testing.T) {
	t.Parallel()
	machinetest.Need(t)
	for name, row := range map[string]struct {
		fixed bool
		want  string
	}{
		"one whose system can be changed":  {false, "/etc/mine /opt/mine /usr/mine /var/lib/google/mine /var/mine"},
		"one whose system is not to be so": {true, "/var/lib/google/mine /var/mine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ground machinetest.Ground
			defer ground.Close()
			want := "kept:\n"
			for range 3 {
				c := &console{t: t}
				m, err := machinetest.Start(machinetest.Options{Hostname: "again", Console: c, Fixed: row.fixed, Ground: &ground, UserData: []byte(`#!/bin/sh
mkdir -p /var/lib/google
all="/etc/mine /opt/mine /run/mine /tmp/mine /usr/mine /var/lib/google/mine /var/mine"
echo kept: $(ls $all 2>/dev/null)
for f in $all; do echo "#!/bin/sh" >$f; chmod +x $f; done 2>/dev/null
for f in /var/mine /tmp/mine /var/lib/google/mine; do $f && echo $f runs; done 2>/dev/null
poweroff
`)})
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Wait(); err != nil {
					t.Fatalf("%v\n%s", err, c.text())
				}
				if !strings.Contains(c.text(), want) {
					t.Errorf("%q was not printed, but:\n%s", want, c.text())
				}
				if runs := strings.Contains(c.text(), "/var/mine runs"); runs == row.fixed || !strings.Contains(c.text(), "/var/lib/google/mine runs") {
					t.Errorf("what runs is:\n%s", c.text())
				}
				want = "kept: " + row.want + "\n"
			}
		})
	}
}

func TestPortsAreOpened(t *testing.T) {
	t.Parallel()
	m, c := start(t, `#!/bin/sh
iptables -w -C INPUT -p tcp --dport 8080 -j ACCEPT || iptables -w -A INPUT -p tcp --dport 8080 -j ACCEPT
iptables -w -C INPUT -p tcp --dport 8080 -j ACCEPT && echo it is there
iptables -F || echo all the same
poweroff
`)
	if err := m.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"port 8080 is open\n", "it is there\n", "all the same\n"} {
		if !strings.Contains(c.text(), want) {
			t.Errorf("%q was not printed, but:\n%s", want, c.text())
		}
	}
}

func TestNothingOutlivesATestBinaryThatIsKilled(t *testing.T) {
	t.Parallel()
	machinetest.Need(t)
	name, count := marked(t)
	c := &console{t: t}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "start-and-vanish", strings.ReplaceAll(service, "NAME", name))
	cmd.Stdout, cmd.Stderr = c, c
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.await("it is active")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	gone(t, count)
}
