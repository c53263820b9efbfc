#!/bin/sh
# Verifies the v1a signatures of Standard Webhooks with openssl 3:
#
#     verify.sh whpk_… ID TIMESTAMP SIGNATURES <body
#
# ID, TIMESTAMP and SIGNATURES are the headers webhook-id, webhook-timestamp and webhook-signature. Exits 0 if one is right.
set -euf
public=${1#whpk_} id=$2 timestamp=$3 signatures=$4
tolerance=300 # seconds between the sender's clock and ours

case $timestamp in '' | 0* | *[!0-9]* | ???????????*) exit 1 ;; esac
apart=$(($(date +%s) - timestamp))
[ "${apart#-}" -le $tolerance ] || exit 1

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
{ printf '%s.%s.' "$id" "$timestamp" && cat; } >signed
# An ed25519 key in DER begins so (RFC 8410).
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000' && printf '%s' "$public" | openssl base64 -d -A; } >key
for signature in $signatures; do
    case $signature in
    v1a,*[!A-Za-z0-9+/=]* | v1a,*===) ;;
    v1a,*)
        printf '%s' "${signature#v1a,}" | openssl base64 -d -A >signature
        if openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in signed -sigfile signature >/dev/null 2>&1; then
            exit 0
        fi
        ;;
    esac
done
exit 1
