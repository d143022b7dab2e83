// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net/http"
	"strings"
	"time"
)

// user is whose access key every request is signed with that no role was taken
// on for.
const user = "arn:aws:iam::" + Account + ":user/serve"

// Session is a role that was taken on.
type Session struct {
	Role       string // its ARN
	Name       string
	ExternalID string
	// Key is the access key that was given for it.
	Key string
}

// arn is what the caller is then called.
func (s Session) arn() string {
	_, name, _ := strings.Cut(s.Role, ":role/")
	return "arn:aws:sts::" + Account + ":assumed-role/" + name[strings.LastIndex(name, "/")+1:] + "/" + s.Name
}

// caller gives the ARN of whoever has an access key; empty for one of nobody.
func (a *AWS) caller(key string) string {
	if key == AccessKey {
		return user
	}
	for _, s := range a.books.sessions {
		if s.Key == key {
			return s.arn()
		}
	}
	return ""
}

// assumeRole lets everybody be every role of this account, but for those whose
// name ends with "-of-others".
func assumeRole(c *call, in fields) (fields, error) {
	s := Session{Role: in.text("RoleArn"), Name: in.text("RoleSessionName"), ExternalID: in.text("ExternalId")}
	if !strings.HasPrefix(s.Role, "arn:aws:iam::"+Account+":role/") || strings.HasSuffix(s.Role, "-of-others") {
		return nil, refusal(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", user, s.Role)
	}
	s.Key = "ASIA" + strings.ToUpper(hex16(c.random.Uint64()))
	c.books.sessions = append(c.books.sessions, s)
	return fields{
		"Credentials": fields{
			"AccessKeyId": s.Key, "SecretAccessKey": SecretKey, "SessionToken": "token-of-" + s.Key, "Expiration": c.now.Add(time.Hour),
		},
		"AssumedRoleUser": fields{"AssumedRoleId": "AROA" + strings.ToUpper(hex16(hash(s.Role))) + ":" + s.Name, "Arn": s.arn()},
	}, nil
}
