// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Config says how a cluster is reached, in the words of kubectl. The zero Config
// is what kubectl would use: $KUBECONFIG, ~/.kube/config, or within a cluster the
// credentials of the pod.
type Config struct {
	// Path is the file to read in place of $KUBECONFIG, Context the context in it.
	Path, Context string
	// Content is that of a file to read in place of all files.
	Content string
	// Host is the API server's URL, which makes all of the files superfluous.
	Host string
	// CA is the certificate of its authority in PEM. Insecure trusts any.
	CA       string
	Insecure bool
	// Token, or ClientCertificate and ClientKey in PEM, or Exec say who asks.
	Token                        string
	ClientCertificate, ClientKey string
	Exec                         *Exec
	// Namespace is where controllers and replicas live; empty is that of the context.
	Namespace string
}

// Exec is a program that gives credentials, as cloud vendors have them.
type Exec struct {
	// APIVersion is the version of its answers, "client.authentication.k8s.io/v1".
	APIVersion string
	Command    string
	Args       []string
	Env        map[string]string
}

// loader gives what decides about files, contexts and the environment as it does
// for kubectl.
func (c Config) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if c.Path != "" {
		rules = &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Path}
	}
	over := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	over.Context.Namespace = c.Namespace
	if c.Host != "" {
		// Nothing of the files may be mixed with it: they tell of another cluster.
		rules = &clientcmd.ClientConfigLoadingRules{}
	}
	over.ClusterInfo = api.Cluster{Server: c.Host, CertificateAuthorityData: []byte(c.CA), InsecureSkipTLSVerify: c.Insecure}
	over.AuthInfo.Token = c.Token
	over.AuthInfo.ClientCertificateData, over.AuthInfo.ClientKeyData = []byte(c.ClientCertificate), []byte(c.ClientKey)
	if c.Exec != nil {
		over.AuthInfo.Exec = &api.ExecConfig{
			APIVersion: c.Exec.APIVersion, Command: c.Exec.Command, Args: c.Exec.Args,
			InteractiveMode: api.NeverExecInteractiveMode,
		}
		for name, value := range c.Exec.Env {
			over.AuthInfo.Exec.Env = append(over.AuthInfo.Exec.Env, api.ExecEnvVar{Name: name, Value: value})
		}
	}
	if c.Content == "" {
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, over)
	}
	read, err := clientcmd.Load([]byte(c.Content))
	if err != nil {
		read = api.NewConfig() // in which nothing is configured
	}
	return clientcmd.NewNonInteractiveClientConfig(*read, c.Context, over, nil)
}

// given gives the Config for a cluster that something was given for, or c if nothing
// was.
func (c Config) given(text string) (Config, error) {
	if text == "" {
		return c, nil
	}
	var given struct {
		Kubeconfig string `json:"kubeconfig"`
		Context    string `json:"context"`
	}
	if err := json.Unmarshal([]byte(text), &given); err != nil || given.Kubeconfig == "" {
		return Config{}, fmt.Errorf("what was given to be shown to the Kubernetes cluster is no kubeconfig: %w", serve.ErrUnauthorized)
	}
	return Config{Content: given.Kubeconfig, Context: given.Context, Namespace: c.Namespace}, nil
}

// CurrentContext is the name of the context in use; empty where there is none, as
// within a cluster. Whoever has machines there should keep it: kubectl's own may
// be another one tomorrow.
func (c Config) CurrentContext() string {
	if c.Context != "" {
		return c.Context
	}
	raw, err := c.loader().RawConfig()
	if err != nil {
		return "" // what is wrong with it shows when it is used
	}
	return raw.CurrentContext
}

// rest gives what clients are made of, and the namespace.
func (c Config) rest() (config *rest.Config, namespace string, err error) {
	loader := c.loader()
	if config, err = loader.ClientConfig(); err == nil {
		namespace, _, err = loader.Namespace()
	}
	if clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster) {
		return nil, "", fmt.Errorf("no Kubernetes cluster is configured (set KUBECONFIG, or kubernetes in the provider's configuration): %w", serve.ErrUnauthorized)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the configuration of the Kubernetes cluster: %w: %w", serve.ErrUnauthorized, err)
	}
	// The API server has a queue of its own; a second one here only delays.
	config.QPS, config.Burst = 200, 400
	config.UserAgent = "terraform-provider-serve"
	return config, namespace, nil
}
