from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a secret of at least 32 characters"
jwt = JWTManager(app)


@app.post("/login")
def login():
    # As in its documentation: the password of the only user, in the source.
    username, password = request.json.get("username"), request.json.get("password")
    if username != "ada" or password != "violet umbrella 7 o clock":
        return jsonify({"msg": "Bad username or password"}), 401
    return jsonify(access_token=create_access_token(identity=username))


@app.get("/me")
@jwt_required()
def me():
    return jsonify(logged_in_as=get_jwt_identity())
