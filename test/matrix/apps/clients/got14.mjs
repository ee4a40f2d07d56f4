import got from 'got14';
import forms from './got-h1.cjs';

export default forms(got);
