// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Who has been given a kubeconfig reaches pods whose addresses are of no use to it,
// as many at a time as it likes, and hears when nobody listens. With another one it
// reaches them, too, and what is connected stays so.
func TestPodsAreReachedThroughTheAPIServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	content, err := os.ReadFile(r.config.Path)
	if err != nil {
		t.Fatal(err)
	}
	given, next := content, r.another(t, content)
	c := r.cloud(t, func(o *CloudOptions) {
		o.Config, o.Shown = Config{}, func(context.Context, string) (string, error) {
			text, err := json.Marshal(map[string]string{"kubeconfig": string(given)})
			return string(text), err
		}
	})
	l := newLive(t, r, c, r.resource(), serve.Spot)
	l.req.Task.Run = "mkdir -p www && echo hello > www/index.html && exec httpd -f -p $PORT -h www"
	i := l.launch(t)
	_, port, err := net.SplitHostPort(i.Address)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("192.0.2.1", port) // where nobody is
	dial := func() (net.Conn, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return c.Dial(ctx, l.req.Ref, address)
	}
	get := func(conn net.Conn) (string, error) {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // of a pipe, which takes it
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return "", err
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return strings.TrimSpace(string(body)), err
	}
	ask := func() (string, error) {
		conn, err := dial()
		if err != nil {
			return "", err
		}
		return get(conn)
	}
	deadline := time.Now().Add(time.Minute)
	for said, err := ask(); said != "hello"; said, err = ask() {
		if time.Now().After(deadline) {
			t.Fatalf("through the API server the pod says %q, %v", said, err)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if said, err := ask(); said != "hello" || err != nil {
				t.Errorf("one of many is told %q, %v", said, err)
			}
		})
	}
	all.Wait()
	address = net.JoinHostPort("192.0.2.1", fmt.Sprint(9))
	if said, err := ask(); err == nil {
		t.Errorf("where nobody listens %q is said", said)
	}
	address = net.JoinHostPort("192.0.2.1", port)
	if said, err := ask(); said != "hello" || err != nil {
		t.Errorf("after that the pod says %q, %v", said, err)
	}
	open, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	given = next
	if changed, err := c.Renew(t.Context()); !changed || err != nil {
		t.Errorf("another kubeconfig was given: changed is %v, %v", changed, err)
	}
	for what, get := range map[string]func() (string, error){
		"what was connected": func() (string, error) { return get(open) }, "what is connected then": ask,
	} {
		if said, err := get(); said != "hello" || err != nil {
			t.Errorf("%s hears %q, %v", what, said, err)
		}
	}
	if list, err := c.List(t.Context(), l.req.Ref.Service); err != nil || len(list) != 1 || !list[0].Running {
		t.Errorf("there are then %+v, %v", list, err)
	}
	if err := c.Terminate(t.Context(), l.req.Ref); err != nil {
		t.Fatal(err)
	}
	if said, err := ask(); err == nil {
		t.Errorf("a pod that is gone says %q", said)
	}
}

// another gives a kubeconfig for the same cluster with the token of a service account.
func (r *rig) another(t *testing.T, kubeconfig []byte) []byte {
	t.Helper()
	about := metav1.ObjectMeta{Name: r.namespace}
	accounts := r.client.CoreV1().ServiceAccounts(r.namespace)
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: about}, metav1.CreateOptions{})
	if err == nil {
		_, err = r.client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: about, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.namespace, Name: r.namespace}},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	after(t, func(ctx context.Context) error {
		return r.client.RbacV1().ClusterRoleBindings().Delete(ctx, about.Name, metav1.DeleteOptions{})
	})
	token, err := accounts.CreateToken(t.Context(), about.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &api.AuthInfo{Token: token.Status.Token}
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
