import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.*;
import javax.xml.crypto.dsig.keyinfo.*;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.*;
import javax.xml.transform.*;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.*;

/** The JDK as another reader and writer of XML signatures: verify FILE, or sign FILE KEY.der CERT.der OUT. */
public class Xml {
    static Document read(String file) throws Exception {
        DocumentBuilderFactory f = DocumentBuilderFactory.newInstance();
        f.setNamespaceAware(true);
        return f.newDocumentBuilder().parse(new File(file));
    }

    public static void main(String[] a) throws Exception {
        XMLSignatureFactory factory = XMLSignatureFactory.getInstance("DOM");
        Document doc = read(a[1]);
        CertificateFactory certs = CertificateFactory.getInstance("X.509");
        if (a[0].equals("verify")) {
            Element sig = (Element) doc.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature").item(0);
            X509Certificate cert = (X509Certificate) certs.generateCertificate(new FileInputStream(a[2]));
            DOMValidateContext ctx = new DOMValidateContext(cert.getPublicKey(), sig);
            NodeList all = doc.getElementsByTagNameNS("*", "*");
            for (int i = 0; i < all.getLength(); i++) {
                Element e = (Element) all.item(i);
                if (e.hasAttribute("Id")) ctx.setIdAttributeNS(e, null, "Id");
                if (e.hasAttribute("ID")) ctx.setIdAttributeNS(e, null, "ID");
            }
            boolean ok = factory.unmarshalXMLSignature(ctx).validate(ctx);
            System.out.println(ok ? "valid" : "invalid");
            return;
        }
        PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(
            new PKCS8EncodedKeySpec(Files.readAllBytes(Paths.get(a[2]))));
        X509Certificate cert = (X509Certificate) certs.generateCertificate(new FileInputStream(a[3]));
        List<Transform> steps = Arrays.asList(
            factory.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null),
            factory.newTransform(a[5], (TransformParameterSpec) null));
        DigestMethod sha256 = factory.newDigestMethod(DigestMethod.SHA256, null);
        List<Reference> refs = new ArrayList<>();
        refs.add(factory.newReference("", sha256, steps, null, null));
        String xa = "http://uri.etsi.org/01903/v1.3.2#";
        Element q = doc.createElementNS(xa, "xa:QualifyingProperties");
        q.setAttribute("Target", "#jdk");
        Element sp = doc.createElementNS(xa, "xa:SignedProperties");
        sp.setAttribute("Id", "jdk-props");
        sp.setIdAttribute("Id", true);
        Element ssp = doc.createElementNS(xa, "xa:SignedSignatureProperties");
        Element time = doc.createElementNS(xa, "xa:SigningTime");
        time.setTextContent(java.time.Instant.now().truncatedTo(java.time.temporal.ChronoUnit.SECONDS).toString());
        Element sc = doc.createElementNS(xa, "xa:SigningCertificateV2");
        Element c = doc.createElementNS(xa, "xa:Cert");
        Element cd = doc.createElementNS(xa, "xa:CertDigest");
        Element dm = doc.createElementNS(XMLSignature.XMLNS, "DigestMethod");
        dm.setAttribute("Algorithm", DigestMethod.SHA256);
        Element dv = doc.createElementNS(XMLSignature.XMLNS, "DigestValue");
        dv.setTextContent(Base64.getEncoder().encodeToString(
            MessageDigest.getInstance("SHA-256").digest(cert.getEncoded())));
        cd.appendChild(dm); cd.appendChild(dv); c.appendChild(cd); sc.appendChild(c);
        ssp.appendChild(time); ssp.appendChild(sc); sp.appendChild(ssp); q.appendChild(sp);
        refs.add(factory.newReference("#jdk-props", sha256,
            Collections.singletonList(factory.newTransform(CanonicalizationMethod.EXCLUSIVE, (TransformParameterSpec) null)),
            "http://uri.etsi.org/01903#SignedProperties", null));
        SignedInfo info = factory.newSignedInfo(
            factory.newCanonicalizationMethod(a[5], (C14NMethodParameterSpec) null),
            factory.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", null), refs);
        KeyInfoFactory kif = factory.getKeyInfoFactory();
        KeyInfo ki = kif.newKeyInfo(Collections.singletonList(kif.newX509Data(
            Arrays.asList(cert.getSubjectX500Principal().getName(), cert))));
        XMLObject object = factory.newXMLObject(
            Collections.singletonList(new DOMStructure(q)), null, null, null);
        DOMSignContext ctx = new DOMSignContext(key, doc.getDocumentElement());
        factory.newXMLSignature(info, ki, Collections.singletonList(object), "jdk", null).sign(ctx);
        TransformerFactory.newInstance().newTransformer().transform(
            new DOMSource(doc), new StreamResult(new File(a[4])));
    }
}
