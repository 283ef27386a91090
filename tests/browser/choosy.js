// A page whose browser plays VP8 alone, for all that its node can tell; and what the SDK says of that.

const { setRemoteDescription } = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.setRemoteDescription = async function choosy(description) {
  await setRemoteDescription.call(this, description);
  if (description.type !== "offer") return;
  const played = RTCRtpReceiver.getCapabilities("video").codecs.filter(({ mimeType }) => /vp8|rtx/i.test(mimeType));
  for (const transceiver of this.getTransceivers()) {
    if (transceiver.receiver.track.kind === "video") transceiver.setCodecPreferences(played);
  }
};

let room = null;
const told = [];

export async function join(name, node) {
  const { Room } = await import("/sdk/starling.js");
  room = new Room({ room: name, name: "choosy", node });
  room.addEventListener("trackrefused", ({ detail: { track } }) => told.push(track.refused.message));
  room.addEventListener("trackrestored", () => told.push("restored"));
  await room.join();
}

/** What was told so far, and what is received of each video track. */
export async function state() {
  const tracks = [...room.participants.values()].flatMap(({ tracks }) => [...tracks.values()]);
  const videos = await Promise.all(tracks.filter(({ kind }) => kind === "video").map((track) => room.statistics(track)));
  return { told, videos: videos.map((one) => ({ codec: one?.codec ?? "", packets: one?.packets ?? 0 })) };
}
