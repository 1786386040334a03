// Verifies access tokens by their issuer's published keys, as somebody else's service would.
// Reads a JSON object a line, {jwks, issuer, audience, algorithm, token}, and answers each with one.
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, jwtVerify } from 'jose'

for await (const line of createInterface({ input: process.stdin })) {
  const { jwks, issuer, audience, algorithm, token } = JSON.parse(line)
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
}
