// Package verify verifies the v1a signatures of Standard Webhooks with the standard library.
package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const tolerance = 5 * time.Minute // between the sender's clock and ours

// Verify tells whether body was signed by the owner of publicKey, "whpk_…".
func Verify(header http.Header, body []byte, publicKey string, now time.Time) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(publicKey, "whpk_"))
	seconds, notNumber := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	if err != nil || len(key) != ed25519.PublicKeySize || notNumber != nil {
		return false
	}
	if now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	signed := append([]byte(header.Get("webhook-id")+"."+header.Get("webhook-timestamp")+"."), body...)
	for _, signature := range strings.Fields(header.Get("webhook-signature")) {
		version, encoded, _ := strings.Cut(signature, ",")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if version == "v1a" && err == nil && ed25519.Verify(key, signed, raw) {
			return true
		}
	}
	return false
}
