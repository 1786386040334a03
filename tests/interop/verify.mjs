// Verifies an access token by its issuer's published keys, as somebody else's service would.
// node verify.mjs JWKS_URL ISSUER AUDIENCE ALGORITHM < token
import { readFileSync } from 'node:fs'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const [jwks, issuer, audience, algorithm] = process.argv.slice(2)
const token = readFileSync(0, 'utf8').trim()
try {
  const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(jwks)), {
    issuer,
    audience,
    typ: 'at+jwt',
    algorithms: [algorithm],
  })
  console.log(JSON.stringify({ payload, header: protectedHeader }))
} catch (error) {
  console.log(JSON.stringify({ refused: error.code }))
}
