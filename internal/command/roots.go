// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	// The certificates of the public authorities, as Mozilla has them, for where
	// the system has none: the controller image holds this program only, and the
	// APIs of clouds are to be verified there. Linked in they keep the constraints
	// that a file cannot tell of, are upgraded and checked for faults like any
	// library, and do not depend on the machine that builds the image. They are not
	// used where the system has its own, or $SSL_CERT_FILE names some.
	_ "golang.org/x/crypto/x509roots/fallback"
)
