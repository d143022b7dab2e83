// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// declarations is what the directory has told last.
type declarations struct {
	mu      sync.Mutex
	known   bool
	all     []serve.Declaration
	changed chan struct{} // closed when there are newer ones
}

func newDeclarations() declarations { return declarations{changed: make(chan struct{})} }

// set replaces all of them.
func (d *declarations) set(all []serve.Declaration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known, d.all = true, all
	d.tellLocked()
}

// tell has those who wait look again, although nothing was declared.
func (d *declarations) tell() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tellLocked()
}

func (d *declarations) tellLocked() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// get gives all of them, and what is closed when there are newer ones.
func (d *declarations) get() (all []serve.Declaration, known bool, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all, d.known, d.changed
}

// find gives one of them, by its UID.
func (d *declarations) find(uid string) (found serve.Declaration, ok bool, changed <-chan struct{}) {
	all, _, changed := d.get()
	for _, one := range all {
		if one.UID == uid {
			return one, true, changed
		}
	}
	return serve.Declaration{}, false, changed
}

// Pauses after something failed that will be tried again.
const (
	watchPause  = time.Second
	followPause = 200 * time.Millisecond
	doorPause   = time.Second
	tenurePause = 2 * time.Second
	maxPause    = 30 * time.Second
)

// watch hears what is declared, and keeps a door open for every service.
func (m *Manager) watch(ctx context.Context) error {
	defer m.closeDoors()
	for {
		err := m.o.Directory.Watch(ctx, func(all []serve.Declaration) {
			m.furnish(ctx, all)
			m.list.set(all)
		})
		if ctx.Err() != nil {
			return nil
		}
		m.o.Log.Warn("watching the directory was interrupted", "error", err)
		if !sleep(ctx, watchPause) {
			return nil
		}
	}
}

// door is where requests for one service come in at this copy.
type door struct {
	uid  string
	port int
	// front is nil while the port cannot be had.
	front *controller.Front
	close func()
}

// furnish opens and closes doors so that there is one for every service that has
// a port.
func (m *Manager) furnish(ctx context.Context, all []serve.Declaration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := map[string]int{}
	for _, d := range all {
		if d.Port != 0 {
			wanted[d.UID] = d.Port
		}
	}
	for uid, d := range m.doors {
		if wanted[uid] != d.port {
			d.close()
			delete(m.doors, uid)
		}
	}
	for uid, port := range wanted {
		if m.doors[uid] == nil {
			m.doors[uid] = m.openDoor(ctx, uid, port)
		}
	}
}

// newFront gives what is behind a door. Until its route is known requests wait: a
// copy that was started again may be sent some before it is ready.
func (m *Manager) newFront(endpoint *controller.Endpoint) *controller.Front {
	front := controller.NewFront(endpoint, m.o.Log)
	front.SetHold(turnHold)
	front.SetDial(m.o.Dial)
	return front
}

// openDoor listens on a port, for as long as it takes to get it. The caller
// holds m.mu.
func (m *Manager) openDoor(ctx context.Context, uid string, port int) *door {
	ctx, cancel := context.WithCancel(ctx)
	d := &door{uid: uid, port: port}
	done := make(chan struct{})
	d.close = func() { cancel(); <-done }
	address := net.JoinHostPort(m.o.Host, strconv.Itoa(port))
	endpoint, err := m.listen(ctx, address, uid)
	if err == nil {
		d.front = m.newFront(endpoint)
	}
	go func() {
		defer close(done)
		for err != nil {
			m.o.Log.Error("a service's port cannot be had; trying again", "port", port, "error", err)
			if !sleep(ctx, doorPause) {
				return
			}
			if endpoint, err = m.listen(ctx, address, uid); err == nil {
				m.mu.Lock()
				d.front = m.newFront(endpoint)
				m.mu.Unlock()
				m.list.tell()
			}
		}
		front := d.front // set before this goroutine began, or by it
		if err := front.Serve(ctx); err != nil {
			m.o.Log.Error("a service's endpoint broke", "port", port, "error", err)
		}
		endpoint.Close()
	}()
	return d
}

func (m *Manager) listen(ctx context.Context, address, uid string) (*controller.Endpoint, error) {
	endpoint, err := controller.Listen(ctx, address, "")
	if err != nil {
		return nil, err
	}
	endpoint.Patience = m.o.Patience
	if m.o.Certify != nil {
		endpoint.Certify = func(ctx context.Context, how serve.ACME) (*tls.Config, error) {
			one, ok, _ := m.list.find(uid)
			if !ok {
				return nil, fmt.Errorf("having a certificate issued: the service is gone: %w", serve.ErrNotFound)
			}
			return m.o.Certify(ctx, one.Name, uid, how)
		}
	}
	return endpoint, nil
}

// closeDoors closes all doors when the copy ends.
func (m *Manager) closeDoors() {
	m.mu.Lock()
	doors := m.doors
	m.doors = map[string]*door{}
	m.mu.Unlock()
	var all sync.WaitGroup
	for _, d := range doors {
		all.Go(d.close)
	}
	all.Wait()
}

// hasDoors reports whether there is any service that requests could come for.
func (m *Manager) hasDoors() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.doors) > 0
}

// front gives the front of a service, nil if its door is not open.
func (m *Manager) front(uid string) *controller.Front {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.doors[uid]; d != nil {
		return d.front
	}
	return nil
}

// open reports whether there is a door for every service that has a port.
func (m *Manager) open() bool {
	all, known, _ := m.list.get()
	for _, d := range all {
		if d.Port != 0 && m.front(d.UID) == nil {
			return false
		}
	}
	return known
}
