// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// place is where a service may have machines, in the form in which it is kept for
// whoever has to find them when there is nobody left to ask.
type place struct {
	// Config is how the account is reached.
	Config Config `json:"config"`
	// Account is its number, empty while nobody has asked: with the credentials of
	// another one nothing would be found, and all be taken for gone.
	Account string `json:"account,omitempty"`
	// Regions are those in which a machine was, or was about to be, made.
	Regions []string `json:"regions,omitempty"`
	// Everywhere says that nothing is known of where machines were made.
	Everywhere bool `json:"everywhere,omitempty"`
}

func (p place) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return string(text)
}

// parsePlace reads a place; an empty text is one where nothing ever was.
func parsePlace(text string) (place, error) {
	var p place
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return place{}, fmt.Errorf("reading where in AWS there are machines: %w", err)
	}
	return p, nil
}

// Brief gives what a controller is to know of AWS before it starts, from what is
// known and how the account is to be reached; empty where there is nothing to
// know. See [CloudOptions].Known.
func Brief(known string, c Config) (string, error) {
	p, err := parsePlace(known)
	if err != nil || known == "" && reflect.ValueOf(c).IsZero() {
		return "", err
	}
	p.Config = c
	return p.String(), nil
}
