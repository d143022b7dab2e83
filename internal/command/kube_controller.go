// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/serve-infra/terraform-provider-serve/internal/acme"
	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/manager"
	"github.com/serve-infra/terraform-provider-serve/internal/metrics"
	"github.com/serve-infra/terraform-provider-serve/internal/page"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// How a copy in a cluster ends: for a while it takes requests as before, until
// everybody has heard that it is not to be sent any, and those it has then may
// take this long. A pod's own end must not come before.
const (
	copyGrace    = 10 * time.Second
	copyPatience = 60 * time.Second
)

// notePatience is how long it may take to keep where there are machines.
const notePatience = time.Minute

// kubeController is one copy of the controller of all services in a namespace.
func (p *Program) kubeController(ctx context.Context, args []string) error {
	f := newFlags("kube-controller")
	pod := f.String("pod", "", "")
	address := f.String("address", "", "")
	shared := f.String("credentials", "", "")
	namespace := f.String("namespace", "", "")
	health := f.Int("health-port", kube.HealthPort, "")
	copies := f.Int("copies-port", kube.CopiesPort, "")
	first := f.Int("first-port", firstPort, "")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *pod == "" || *shared == "" {
		return usageError{"--pod and --credentials are missing"}
	}
	log := slog.New(slog.NewJSONHandler(p.Stderr, nil))
	kube.SetLog(log)
	config := kube.Config{Namespace: *namespace}
	credentials, err := readShared(*shared)
	if err != nil {
		return err
	}
	server, err := api.ServerTLS(credentials)
	if err != nil {
		return err
	}
	client, err := api.ClientTLS(credentials.Certificate)
	if err != nil {
		return err
	}
	directory, err := kube.NewDirectory(config)
	if err != nil {
		return err
	}
	elector, err := kube.NewElector(kube.ElectorOptions{Config: config, Pod: *pod, Log: log})
	if err != nil {
		return err
	}
	listener, err := listen(ctx, *address, *copies)
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program's own file: %w", err)
	}
	pods := newPods(config, log)
	pods.programs = &agent.Programs{Own: executable, Version: p.Version}
	pods.secret = func() ([]byte, error) { return []byte(credentials.Token), nil }
	m := manager.New(manager.Options{
		Directory: directory, Elector: elector, Open: pods.open, Dial: pods.dial(),
		Listener: listener, Server: server, Client: client, Token: credentials.Token,
		Certify: func(ctx context.Context, name, uid string, how serve.ACME) (*tls.Config, error) {
			kept, err := kube.NewCertificates(kube.CertificatesOptions{Config: config, Service: name, Owner: kube.ServiceOwner(name, uid)})
			if err != nil {
				return nil, err
			}
			return acme.New(ctx, acme.Options{ACME: how, Cache: kept, Log: log.With("service", name)}), nil
		},
		Host: *address, FirstPort: *first, Grace: copyGrace, Patience: copyPatience, Log: log,
	})
	well, err := listen(ctx, *address, *health)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	// Asked to the very end: a copy that only ends is not ready, and not ill.
	asked, over := context.WithCancel(context.WithoutCancel(ctx))
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHealth(asked, well, m, pods, p.Version) })
	group.Go(func() error {
		defer over()
		return m.Run(running)
	})
	log.Info("a copy of the controller starts", "pod", *pod, "version", p.Version)
	err = group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	log.Info("a copy of the controller stops", "error", err)
	return err
}

// listen opens a port for the other copies, or for those who ask how this one is.
func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("opening port %d: %w", port, err)
	}
	return l, nil
}

// readShared reads what all copies share, as a Secret shows it in files.
func readShared(dir string) (serve.Credentials, error) {
	var c serve.Credentials
	for name, into := range map[string]*string{"token": &c.Token, "tls.crt": &c.Certificate, "tls.key": &c.Key} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return serve.Credentials{}, fmt.Errorf("reading what the copies of the controller share: %w", err)
		}
		*into = string(content)
	}
	return c, nil
}

// serveHealth tells how a copy is and what it does, and shows the services, until
// ctx ends.
func serveHealth(ctx context.Context, l net.Listener, m *manager.Manager, pods *pods, version string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !m.Ready() {
			http.Error(w, "not all services are known", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", metrics.Handler(version, func() (samples []metrics.Sample, leads bool) {
		m.Each(func(name string, s *serve.Service, traffic balancer.Stats) {
			samples = append(samples, metrics.Sample{Name: name, Service: s, Traffic: &traffic})
		})
		return samples, m.Leads()
	}))
	mux.HandleFunc("GET /services/{name}/", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		shown := page.New(name, func(context.Context) (serve.Client, error) { return pods.client(name) })
		http.StripPrefix("/services/"+name, shown).ServeHTTP(w, r)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("telling how the controller is: %w", err)
	}
	return nil
}

// pods is what the controllers of all services in a namespace work with.
type pods struct {
	config kube.Config
	cloud  *kube.Cloud
	log    *slog.Logger
	// programs are those that machines in other clouds are run by, and secret what the
	// keys of these are made of.
	programs *agent.Programs
	secret   func() ([]byte, error)

	mu     sync.Mutex
	owners map[string]kube.Owner
}

func newPods(config kube.Config, log *slog.Logger) *pods {
	p := &pods{config: config, log: log, owners: map[string]kube.Owner{}}
	// One for all services, as it watches the cluster.
	p.cloud = kube.NewCloud(kube.CloudOptions{Config: config, Owner: p.owner, Log: log})
	return p
}

// owner gives the object that a service's pods belong to.
func (p *pods) owner(service string) *kube.Owner {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o, ok := p.owners[service]; ok {
		return &o
	}
	return nil
}

// client gives a client of a service, as those outside have it.
func (p *pods) client(name string) (serve.Client, error) {
	return kube.NewClient(kube.ClientOptions{Config: p.config, Service: name, Logs: p.cloud})
}

// dial gives what connects to replicas wherever they are. It asks nothing of any cloud.
func (p *pods) dial() balancer.Dial {
	machines := surroundings{secret: p.secret, log: p.log}.abroad()
	return controller.Dial(append([]serve.Cloud{p.cloud}, machines...))
}

// open gives what the controller of a service works with.
func (p *pods) open(ctx context.Context, name, uid string) (manager.Parts, error) {
	owner := kube.ServiceOwner(name, uid)
	p.mu.Lock()
	p.owners[name] = owner
	p.mu.Unlock()
	store, err := kube.NewStore(kube.StoreOptions{Config: p.config, Service: name, Owner: uid})
	if err != nil {
		return manager.Parts{}, err
	}
	archive, err := kube.NewArchive(kube.ArchiveOptions{Config: p.config, Service: name, Owner: owner})
	if err != nil {
		return manager.Parts{}, err
	}
	abroad, err := kube.NewAbroad(kube.AbroadOptions{Config: p.config, Service: name})
	if err != nil {
		return manager.Parts{}, err
	}
	known, err := abroad.Open(ctx, uid)
	if err != nil {
		return manager.Parts{}, err
	}
	machines, err := abroadOf(abroad, known)
	if err != nil {
		return manager.Parts{}, err
	}
	machines.program, machines.secret, machines.log = p.programs.Open, p.secret, p.log.With("service", name)
	machines.Note = func(cloud, where string) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notePatience)
		defer cancel()
		return abroad.Note(ctx, cloud, where)
	}
	return manager.Parts{
		Store: store, Clouds: append([]serve.Cloud{p.cloud}, machines.abroad()...), Archive: archive,
		Bundles: kube.NewBundles(kube.BundlesOptions{Config: p.config, Owner: owner}),
	}, nil
}
