// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// replicasEach is how many replicas a service of the benchmark has.
	replicasEach = 10
	// quiet is for how long it is looked what a leader does while nothing happens.
	quiet = 30 * time.Second
)

// BenchmarkLeaderInACluster has one leader decide for more and more services of
// ten replicas each. The leader is a real pod with the rights that it is given;
// the replicas' pods are on simulated nodes, and this machine answers their
// probes, one for each every ten seconds.
//
// An operation is the loss of a replica, its replacement and the readiness of
// that. ms/act is the median time from the loss until the replacement is asked
// of the cluster, max-ms/act the longest, and requests/op how many requests the
// leader has made of the API server for it. Idle are its share of one core, its
// memory, and its requests while nothing happens.
func BenchmarkLeaderInACluster(b *testing.B) {
	f := newCrowd(b)
	for _, services := range []int{10, 50, 200} {
		f.grow(b, services)
		idle := f.idle(b)
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			var acted []time.Duration
			before, began := f.requests(b), time.Now()
			n := 0
			for b.Loop() {
				acted = append(acted, f.lose(b, (n*37)%services))
				n++
			}
			slices.Sort(acted)
			// What it asks without a cause is no part of the operation.
			of := float64(f.requests(b)-before) - idle.requests*time.Since(began).Seconds()
			b.ReportMetric(float64(acted[len(acted)/2].Microseconds())/1e3, "ms/act")
			b.ReportMetric(float64(acted[len(acted)-1].Microseconds())/1e3, "max-ms/act")
			b.ReportMetric(of/float64(n), "requests/op")
			b.ReportMetric(idle.cores*100, "idle-cpu-%")
			b.ReportMetric(idle.memory, "MB")
			b.ReportMetric(idle.requests, "idle-requests/s")
		})
	}
}

// crowd is a number of services in one namespace.
type crowd struct {
	cluster
	client   clientset.Interface
	deployer serve.Deployer
	services []serve.Client
	resource serve.Resource
}

func newCrowd(b *testing.B) *crowd {
	b.Helper()
	c := newCluster(b)
	settings, err := clientcmd.BuildConfigFromFlags("", c.config)
	if err != nil {
		b.Fatal(err)
	}
	client, err := clientset.NewForConfig(settings)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 4 {
		node := fmt.Sprintf("%s-%d", c.namespace, i)
		c.simulate(node, serve.Spot)
		b.Cleanup(func() { c.try("delete", "node", node, "--ignore-not-found") })
	}
	f := &crowd{cluster: c, client: client, deployer: c.deployer()}
	f.resource = serve.Resource{
		Ports: strconv.Itoa(answer(b)), CPUs: "0.01", Memory: "0.01", ImageID: "docker:" + c.registry + "/web:1", UseSpot: new(true),
		Kubernetes: &serve.KubernetesOptions{
			NodeSelector: map[string]string{c.mine(): ""},
			Tolerations:  []serve.Toleration{{Key: "simulated.test", Operator: "Exists"}},
		},
	}
	return f
}

// grow adds services until there are n, and waits until all of them are ready.
func (f *crowd) grow(b *testing.B, n int) {
	b.Helper()
	began := time.Now()
	for len(f.services) < n {
		name := fmt.Sprintf("s%03d", len(f.services))
		client, err := f.deployer.Deploy(b.Context(), name, serve.DeployOptions{})
		if err != nil {
			b.Fatal(err)
		}
		spec := serve.NewSpec(name)
		spec.Run, spec.ReadinessProbe.Path = "exec sleep 3600", "/"
		spec.ReplicaPolicy = serve.FixedReplicas(replicasEach)
		spec.Resources.Resource = f.resource
		if _, err := client.Apply(b.Context(), spec, serve.ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
		f.services = append(f.services, client)
	}
	for _, client := range f.services {
		f.ready(b, client)
	}
	b.Logf("%d services of %d replicas are ready after %v", n, replicasEach, time.Since(began).Round(time.Second))
}

// ready waits until a service has all of its replicas.
func (f *crowd) ready(b *testing.B, client serve.Client) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	var last serve.Service
	err := client.Watch(ctx, func(s serve.Service) bool {
		last = s
		return s.Counts.Ready != replicasEach || s.Counts.Total != replicasEach
	})
	if err != nil {
		b.Fatalf("%v: %+v", err, last.Counts)
	}
}

// lose takes a replica of a service away, and says how long it took until another
// was asked for.
func (f *crowd) lose(b *testing.B, service int) time.Duration {
	b.Helper()
	of := fmt.Sprintf("app.kubernetes.io/component=replica,serve-infra.io/service=s%03d", service)
	pods := f.client.CoreV1().Pods(f.namespace)
	list, err := pods.List(b.Context(), metav1.ListOptions{LabelSelector: of})
	if err != nil || len(list.Items) == 0 {
		b.Fatalf("there are %d pods of %s: %v", len(list.Items), of, err)
	}
	w, err := pods.Watch(b.Context(), metav1.ListOptions{LabelSelector: of, ResourceVersion: list.ResourceVersion})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	began := time.Now()
	if err := pods.Delete(b.Context(), list.Items[0].Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
		b.Fatal(err)
	}
	deadline := time.After(time.Minute)
	for {
		select {
		case e := <-w.ResultChan():
			if _, ok := e.Object.(*corev1.Pod); ok && e.Type == apiwatch.Added {
				took := time.Since(began)
				f.ready(b, f.services[service])
				return took
			}
		case <-deadline:
			b.Fatalf("in a minute nothing took the place of %s", list.Items[0].Name)
		}
	}
}

// upkeep is what a leader uses while nothing happens.
type upkeep struct {
	cores    float64 // of CPU time
	memory   float64 // resident, in MB
	requests float64 // of the API server, a second
}

// idle looks at the leader for a while.
func (f *crowd) idle(b *testing.B) upkeep {
	b.Helper()
	pid := f.leaderPID(b)
	used, asked, began := cpu(b, pid), f.requests(b), time.Now()
	<-time.After(quiet)
	took := time.Since(began)
	return upkeep{
		cores:    (cpu(b, pid) - used).Seconds() / took.Seconds(),
		memory:   resident(b, pid),
		requests: float64(f.requests(b)-asked) / took.Seconds(),
	}
}

// leaderPID finds the process of the leading pod on the real node.
func (f *crowd) leaderPID(b *testing.B) string {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), "pgrep", "-f", "kube-controller --pod="+f.leader()+" ").Output()
	if err != nil {
		b.Fatalf("looking for the leader %q: %v", f.leader(), err)
	}
	return strings.TrimSpace(string(out))
}

// cpu is the time that a process has used.
func cpu(b *testing.B, pid string) time.Duration {
	b.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	// After the name, which may have anything in it, the 12th and 13th field are
	// user and system time, in hundredths of a second on Linux.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// resident is the memory that a process has in use, in MB.
func resident(b *testing.B, pid string) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

// requests is how many requests the API server has had of service accounts that
// are not Kubernetes's own, which are those of the controller.
func (f *crowd) requests(b *testing.B) int64 {
	b.Helper()
	metrics, err := f.client.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	total, found := int64(0), false
	for line := range strings.SplitSeq(string(metrics), "\n") {
		if !strings.HasPrefix(line, "apiserver_flowcontrol_dispatched_requests_total{") || !strings.Contains(line, `flow_schema="service-accounts"`) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			b.Fatal(err)
		}
		total, found = total+int64(n), true
	}
	if !found {
		b.Fatal("the API server counts no requests of service accounts")
	}
	return total
}
