// Mints tokens, each with a fresh key, and prints them with the public half.
// Reads a JSON object a line, {algorithm, curve, claims}, and answers each with one.
import { createInterface } from 'node:readline'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'

for await (const line of createInterface({ input: process.stdin })) {
  const { algorithm, curve, claims } = JSON.parse(line)
  const { publicKey, privateKey } = await generateKeyPair(algorithm, curve ? { crv: curve } : {})
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: 'theirs' })
    .sign(privateKey)
  console.log(JSON.stringify({ token, keys: [{ ...(await exportJWK(publicKey)), kid: 'theirs' }] }))
}
